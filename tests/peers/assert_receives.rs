//! What a stream is to bring, in however many parts the system hands it out.

/// Receives as many bytes from a stream as are expected, or until its end, and fails if they are others. The stream is
/// named by an expression that can be evaluated several times; it is for functions that give a `Result`.
macro_rules! assert_receives {
    ($stream:expr, $expected:expr) => {{
        let expected = $expected;
        let expected: &[u8] = expected.as_ref();
        let mut received = Vec::new();
        while received.len() < expected.len() {
            let Some(chunk) = $stream.receive().await? else { break };
            received.extend_from_slice(&chunk);
        }
        assert!(
            received == expected,
            "{:?} came instead of {:?}",
            String::from_utf8_lossy(&received),
            String::from_utf8_lossy(expected)
        );
    }};
}

pub(crate) use assert_receives;
