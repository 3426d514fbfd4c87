//! Conditional requests.

use crate::server::Server;

const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[anyio::test]
async fn a_client_that_has_the_file_does_not_get_it_again() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    let version = client.get("/file").await;
    let (tag, modified) = (version.header("ETag"), version.header("Last-Modified"));
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"a\", W/{tag}\r\n"), 304),
        (format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"other\"\r\n".into(), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Modified-Since: {LONG_AGO}\r\n"), 200),
        ("If-Modified-Since: nonsense\r\n".into(), 200),
        // The tag decides.
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}\r\n"), 200),
        (format!("If-None-Match: {tag}\r\nIf-Modified-Since: {LONG_AGO}\r\n"), 304),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".into(), 200),
        ("If-Match: \"other\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
        (format!("If-Unmodified-Since: {LONG_AGO}\r\n"), 412),
    ] {
        let response = client.get_with("/file", &headers).await;
        assert_eq!(response.status, status, "{headers}");
        if status == 304 {
            assert_eq!((response.header("ETag"), response.header("Content-Length")), (tag, ""), "{headers}");
        }
    }
}

#[anyio::test]
async fn a_changed_file_has_another_tag() {
    let server = Server::start(&[]);
    server.put("file", "one");
    let mut client = server.connect().await;
    let before = client.get("/file").await;
    server.put("file", "three");
    let headers = format!("If-None-Match: {}\r\n", before.header("ETag"));
    let after = client.get_with("/file", &headers).await;
    assert_eq!((after.status, after.text()), (200, "three"));
}

/// Sets when a file was last changed, in seconds since 1970. False if the file system cannot keep that.
#[cfg(target_os = "linux")]
fn set_modified(server: &Server, name: &str, seconds: i64) -> bool {
    use std::os::{linux::fs::MetadataExt, unix::ffi::OsStrExt};
    let path = server.path(name);
    let text = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    // SAFETY: the path and the two moments are valid for the call.
    let set = unsafe { libc::utimensat(libc::AT_FDCWD, text.as_ptr(), [time, time].as_ptr(), 0) };
    set == 0 && path.metadata().unwrap().st_mtime() == seconds
}

#[cfg(target_os = "linux")]
#[anyio::test]
async fn files_whose_times_http_cannot_write_are_sent_all_the_same() {
    // Only in memory there are files with such times.
    let server = Server::start_in("/dev/shm", &[]);
    let (first, last) = ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT");
    let times = [
        (0, first),
        (-28_800, first),
        (i64::MIN / 4, first),
        (i64::MIN, first),
        (253_402_300_799, last),
        (253_402_300_800, last),
        (8_210_266_876_800, last),
        (i64::MAX, last),
    ];
    let mut kept = 0;
    for (seconds, shown) in times {
        let name = format!("file-of-{seconds}");
        server.put(&name, &name);
        if !set_modified(&server, &name, seconds) {
            continue;
        }
        kept += 1;
        let mut client = server.connect().await;
        let answer = client.get(&format!("/{name}")).await;
        assert_eq!((answer.status, answer.text()), (200, &*name));
        assert_eq!(answer.header("Last-Modified"), shown, "{seconds}");
        for condition in [
            format!("If-None-Match: {}\r\n", answer.header("ETag")),
            format!("If-Modified-Since: {shown}\r\n"),
        ] {
            assert_eq!(client.get_with(&format!("/{name}"), &condition).await.status, 304, "{condition}");
        }
    }
    assert!(kept >= 4, "/dev/shm keeps no such times");
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

#[anyio::test]
async fn a_panic_while_an_answer_is_made_is_a_status() {
    use crate::{panics::or_status, response::Response, status::Status};
    let panicking = async {
        anyio::lowlevel::checkpoint().await?;
        panic!("on purpose")
    };
    assert_eq!(or_status(panicking).await.unwrap().status, Status::InternalServerError);
    let fine = async { Ok(Response::of_status(Status::NotFound)) };
    assert_eq!(or_status(fine).await.unwrap().status, Status::NotFound);
}
