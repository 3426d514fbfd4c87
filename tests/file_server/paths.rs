//! Which paths lead where.

use crate::server::Server;
use std::os::unix::fs::symlink;

#[anyio::test]
async fn a_folder_without_slash_is_redirected() {
    let server = Server::start(&[]);
    server.make_folder("a b/c");
    let mut client = server.connect().await;
    for (path, location) in [
        ("/a%20b", "/a%20b/"),
        ("/a%20b/c?x=1", "/a%20b/c/?x=1"),
        ("/a%20b/./c", "/a%20b/c/"),
        // Else it would lead to the host of that name.
        ("//a%20b", "/a%20b/"),
        ("http://elsewhere/a%20b", "/a%20b/"),
    ] {
        let response = client.get(path).await;
        assert_eq!((response.status, response.header("Location")), (301, location), "{path}");
    }
}

#[anyio::test]
async fn paths_are_decoded() {
    let server = Server::start(&[]);
    server.put("ä b%", "here");
    let mut client = server.connect().await;
    for path in ["/%C3%A4%20b%25", "/%c3%a4%20b%", "//.//%C3%A4%20b%25?query", "HTTP://host/%C3%A4%20b%25"] {
        assert_eq!(client.get(path).await.text(), "here", "{path}");
    }
}

#[anyio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start(&[]);
    server.put("file", "");
    symlink("loop", server.path("loop")).unwrap();
    let long = format!("/{}", "x".repeat(300));
    let mut client = server.connect().await;
    for path in ["/none", "/none/", "/file/", "/file/more", "/loop", "/a%2Ffile", &long] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
}

#[anyio::test]
async fn nothing_outside_of_the_folder_is_sent() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let server = Server::start(&[]);
    server.make_folder("folder");
    symlink(outside.path(), server.path("link-to-folder")).unwrap();
    symlink(outside.path().join("secret"), server.path("link-to-file")).unwrap();
    symlink("../../..", server.path("folder/link-up")).unwrap();
    symlink(outside.path().join("secret"), server.path("folder/index.html")).unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let up = format!("/folder/link-up/{}/secret", outside.path().display());
    let beside = format!("/../{name}/secret");
    let mut client = server.connect().await;
    for path in [
        "/link-to-file",
        "/link-to-folder",
        "/link-to-folder/",
        "/link-to-folder/secret",
        "/folder/",
        "/folder/link-up/",
        "/..",
        "/../",
        "/folder/../../secret",
        "/%2e%2e/",
        "/.%2E",
        "/folder/%2e%2e/%2e%2e/secret",
        &up,
        &beside,
    ] {
        let response = client.get(path).await;
        assert!(matches!(response.status, 403 | 404), "{path}: {}", response.status);
        assert!(!response.text().contains("secret"), "{path}");
    }
    assert_eq!(client.get("/..%2f..%2fsecret").await.status, 404);
    let list = client.get("/").await;
    assert!(list.text().contains("folder/") && !list.text().contains("link-"), "{}", list.text());
}

#[anyio::test]
async fn links_within_the_folder_are_followed() {
    let server = Server::start(&[]);
    server.make_folder("folder");
    server.put("folder/file", "here");
    symlink("folder", server.path("link")).unwrap();
    symlink(server.root().join("folder/file"), server.path("absolute")).unwrap();
    let mut client = server.connect().await;
    for path in ["/link/file", "/absolute"] {
        assert_eq!(client.get(path).await.text(), "here", "{path}");
    }
}

#[anyio::test]
async fn pipes_and_sockets_are_not_waited_for() {
    let server = Server::start(&[]);
    let pipe = std::ffi::CString::new(server.path("pipe").to_str().unwrap()).unwrap();
    // SAFETY: the path ends with a zero byte.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(server.path("socket")).unwrap();
    let mut client = server.connect().await;
    for path in ["/pipe", "/socket"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
}
