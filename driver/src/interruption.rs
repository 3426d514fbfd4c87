//! How a kernel says that a signal has interrupted what it was doing.

/// Linux's own numbers: `ERESTARTSYS`, `ERESTARTNOINTR`, `ERESTARTNOHAND` and `ERESTART_RESTARTBLOCK`. No system call
/// gives them to a program, since the kernel begins it again or ends it with `EINTR`; but rings hand them out.
const RESTARTS: [i32; 4] = [512, 513, 514, 516];

/// Whether a result says that the operation was interrupted before it had any effect. Then it may be begun again, and if
/// it was to be cancelled it has been.
#[inline]
pub fn is_interruption(result: i32) -> bool {
    result < 0 && (result == -libc::EINTR || RESTARTS.contains(&result.wrapping_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_say_interrupted_are_known_and_nothing_else() {
        for number in RESTARTS.into_iter().chain([libc::EINTR]) {
            assert!(is_interruption(-number), "{number}");
            assert!(!is_interruption(number), "{number}");
        }
        for result in [0, 1, i32::MAX, i32::MIN, -libc::ECANCELED, -libc::EAGAIN, -515, -517] {
            assert!(!is_interruption(result), "{result}");
        }
    }
}
