//! Keys that may encrypt no more.

use super::{
    authority::{LOCALHOST, TRUSTED},
    connection, shake_hands,
};
use anyio::{Error, Result, streams::tls::TlsOptions};
use rustls::{
    CipherSuiteCommon, ClientConfig, ServerConfig, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
    crypto::{CryptoProvider, ring},
};
use std::sync::Arc;

/// How many records may be encrypted with one key.
const LIMIT: u64 = 60;

/// A provider whose keys may encrypt no more than so many records.
fn provider(is_1_2: bool) -> Arc<CryptoProvider> {
    let limited = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: LIMIT,
    };
    let suite = match is_1_2 {
        true => ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        false => ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    };
    let suite = match suite {
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: limited(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            })))
        }
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: limited(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: suite.aead_alg,
                quic: None,
            })))
        }
    };
    Arc::new(CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() })
}

fn options(is_1_2: bool) -> Result<(TlsOptions, TlsOptions)> {
    let provider = provider(is_1_2);
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(TRUSTED.roots())
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![LOCALHOST.certificate.clone()], LOCALHOST.key())
        .unwrap();
    Ok((TlsOptions::client(client, "localhost")?, TlsOptions::server(server)))
}

/// Sends pieces of these sizes until that fails. Gives what was received at the other side, and what was sent before.
async fn sent_until_refused(is_1_2: bool, size: usize) -> Result<(Vec<u8>, Vec<u8>, Option<Error>)> {
    let (client, server) = options(is_1_2)?;
    let (client, server) = shake_hands(connection().await?, &client, &server).await;
    let (client, server) = (client?, server?);
    let (mut sent, mut failure) = (Vec::new(), None);
    let sending = async {
        for number in 0..4 * LIMIT as u8 {
            let piece = vec![number; size];
            match client.send(piece.clone()).await {
                Ok(()) => sent.extend(piece),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        // The other side is told that this is all.
        client.close().await
    };
    let receiving = async {
        let mut received = Vec::new();
        while let Some(chunk) = server.receive().await? {
            received.extend_from_slice(&chunk);
        }
        server.close().await?;
        anyio::Ok(received)
    };
    let (closed, received) = futures_util::join!(sending, receiving);
    closed?;
    Ok((received?, sent, failure))
}

#[anyio::test]
async fn what_keys_may_not_encrypt_any_more_is_refused_and_not_dropped() -> Result<()> {
    for size in [1, 40_000] {
        let (received, sent, failure) = sent_until_refused(true, size).await?;
        assert!(received.len() >= sent.len(), "{} of {} bytes have come", received.len(), sent.len());
        assert!(received.starts_with(&sent));
        let failure = failure.expect("the keys are used up");
        assert!(matches!(failure, Error::BrokenResource(_)), "{failure:?}");
        assert!(failure.to_string().contains("encrypt no more"), "{failure}");
    }
    Ok(())
}

#[anyio::test]
async fn new_keys_are_made_in_time() -> Result<()> {
    for size in [1, 40_000] {
        let (received, sent, failure) = sent_until_refused(false, size).await?;
        assert!(failure.is_none(), "{failure:?}");
        assert_eq!(sent.len(), 4 * LIMIT as usize * size);
        assert!(received == sent, "{} of {} bytes have come", received.len(), sent.len());
    }
    Ok(())
}
