//! Handshakes of TLS that are broken off.

use crate::peers::{alone, open_descriptors, poll_once};
use anyio::{
    Result, lowlevel,
    net::UnixStream,
    streams::tls::{TlsHandshake, TlsOptions},
};
use rcgen::generate_simple_self_signed;
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use std::{pin::pin, sync::Arc};

fn options() -> (TlsOptions, TlsOptions) {
    let made = generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    (TlsOptions::client(client, "localhost").unwrap(), TlsOptions::server(server))
}

/// Does handshakes, of which each is left after another number of polls, by either side first.
async fn break_off(count: u32) -> Result<()> {
    let (client_options, server_options) = options();
    let mut state = 7u32;
    let before = (open_descriptors(), lowlevel::statistics().operations_in_flight);
    for _ in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (polls, client_first) = ((state >> 20) % 12, state >> 31 == 0);
        let (client, server) = UnixStream::pair()?;
        let mut client = TlsHandshake::new(client, &client_options)?;
        let mut server = TlsHandshake::new(server, &server_options)?;
        {
            let (mut one, mut other) = (Box::pin(client.run()), Box::pin(server.run()));
            let mut over = [false; 2];
            for _ in 0..polls {
                over[0] = over[0] || poll_once(pin!(&mut one)).await.is_ready();
                over[1] = over[1] || poll_once(pin!(&mut other)).await.is_ready();
                lowlevel::checkpoint().await?;
            }
        }
        if client_first {
            drop(client);
            let _ = server.run().await;
        } else {
            drop(server);
            let _ = client.run().await;
        }
    }
    // What was in flight as its stream went ends with the next turns.
    for _ in 0..100 {
        if (open_descriptors(), lowlevel::statistics().operations_in_flight) == before {
            break;
        }
        anyio::sleep(std::time::Duration::from_millis(1)).await?;
    }
    assert_eq!((open_descriptors(), lowlevel::statistics().operations_in_flight), before);
    Ok(())
}

#[test]
fn handshakes_that_are_broken_off_leave_nothing() {
    alone(async || break_off(300).await);
}

#[test]
#[ignore = "takes long: thousands of handshakes"]
fn thousands_of_handshakes_that_are_broken_off_leave_nothing() {
    alone(async || break_off(10_000).await);
}
