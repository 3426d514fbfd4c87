//! Names of files, folders, and what is copied.

use crate::{
    files::another_group,
    scratch::Folder,
    sentences::{cut_short, cut_short_beside_threads, nothing_is_lost, once_begun_is_awaited},
};
use anyio::{
    MkdirOptions, Path, Result, TextFormat, TouchOptions,
    fs::{self, Permissions},
    itertools,
};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, SystemTime},
};

fn nothing(_: &Folder) {}

fn folder_b(folder: &Folder) {
    std::fs::create_dir(folder.join("b")).unwrap();
}

/// Folders below each other, with files.
fn tree(folder: &Folder) {
    for name in ["b/c", "b/d"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("file"), "of the tree").unwrap();
    }
}

#[anyio::test]
async fn changes_of_names_are_made_or_not() {
    covers![
        "fs/names::rename",
        "fs/names::hard_link",
        "fs/names::symlink",
        "fs/names::remove_file",
        "fs/names::remove_dir",
        "fs/names::remove_dir_all",
        "fs/names::create_dir",
        "fs/names::create_dir_all"
    ];
    once_begun_is_awaited(nothing, async |f| fs::rename(f.join("a"), f.join("b")).await, |f| f.has("b"))
        .await;
    once_begun_is_awaited(nothing, async |f| fs::hard_link(f.join("a"), f.join("b")).await, |f| f.has("b"))
        .await;
    once_begun_is_awaited(nothing, async |f| fs::symlink("a", f.join("b")).await, |f| f.has("b")).await;
    once_begun_is_awaited(nothing, async |f| fs::remove_file(f.join("a")).await, |f| !f.has("a")).await;
    once_begun_is_awaited(nothing, async |f| fs::create_dir(f.join("b")).await, |f| f.has("b")).await;
    once_begun_is_awaited(nothing, async |f| fs::create_dir_all(f.join("b/c")).await, |f| f.has("b/c")).await;
    once_begun_is_awaited(folder_b, async |f| fs::remove_dir(f.join("b")).await, |f| !f.has("b")).await;
    once_begun_is_awaited(tree, async |f| fs::remove_dir_all(f.join("b")).await, |f| !f.has("b")).await;
}

#[anyio::test]
async fn what_belongs_to_a_name_is_changed_or_not() {
    covers![
        "fs/names::set_permissions",
        "fs/names::set_permissions_nofollow",
        "fs/names::chown",
        "fs/names::lchown",
        "fs/names::set_times",
        "fs/attributes::set_xattr",
        "fs/attributes::remove_xattr",
        "fs/attributes::get_xattr",
        "fs/attributes::list_xattrs"
    ];
    let only_read = || Permissions::from_mode(0o400);
    let is_only_read = |f: &Folder| f.join("a").metadata().unwrap().mode() & 0o777 == 0o400;
    once_begun_is_awaited(
        nothing,
        async |f| fs::set_permissions(f.join("a"), only_read()).await,
        is_only_read,
    )
    .await;
    // Not every system can.
    if fs::set_permissions_nofollow(Folder::with_file("").join("a"), only_read()).await.is_ok() {
        let act = async |f: &Folder| fs::set_permissions_nofollow(f.join("a"), only_read()).await;
        once_begun_is_awaited(nothing, act, is_only_read).await;
    }
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let is_of_then = |f: &Folder| f.join("a").metadata().unwrap().modified().unwrap() == then;
    once_begun_is_awaited(nothing, async |f| fs::set_times(f.join("a"), None, Some(then)).await, is_of_then)
        .await;
    if let Some(group) = another_group() {
        let is_given = |f: &Folder| f.join("a").metadata().unwrap().gid() == group;
        once_begun_is_awaited(nothing, async |f| fs::chown(f.join("a"), None, Some(group)).await, is_given)
            .await;
        once_begun_is_awaited(nothing, async |f| fs::lchown(f.join("a"), None, Some(group)).await, is_given)
            .await;
    }
    let name = "user.everywhere";
    let has = |f: &Folder| xattr_of(f, name);
    if fs::set_xattr(Folder::with_file("").join("a"), name, "1").await.is_ok() {
        once_begun_is_awaited(nothing, async |f| fs::set_xattr(f.join("a"), name, "1").await, has).await;
        let set = |f: &Folder| set_xattr_of(f, name);
        once_begun_is_awaited(set, async |f| fs::remove_xattr(f.join("a"), name).await, |f| !has(f)).await;
        nothing_is_lost(set, async |f| fs::get_xattr(f.join("a"), name).await).await;
        nothing_is_lost(set, async |f| fs::list_xattrs(f.join("a")).await).await;
    }
}

fn path_and_name(folder: &Folder, name: &str) -> (std::ffi::CString, std::ffi::CString) {
    let path = folder.join("a").into_os_string().into_encoded_bytes();
    (std::ffi::CString::new(path).unwrap(), std::ffi::CString::new(name).unwrap())
}

fn xattr_of(folder: &Folder, name: &str) -> bool {
    let (path, name) = path_and_name(folder, name);
    // SAFETY: both are strings with an end, and nothing is written.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}

fn set_xattr_of(folder: &Folder, name: &str) {
    let (path, name) = path_and_name(folder, name);
    // SAFETY: both are strings with an end, and the value has a byte.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), c"1".as_ptr().cast(), 1, 0) };
    assert_eq!(set, 0);
}

#[anyio::test]
async fn what_was_asked_can_be_asked_again() {
    covers![
        "fs/names::metadata",
        "fs/names::symlink_metadata",
        "fs/names::exists",
        "fs/names::read_link",
        "fs/names::canonicalize",
        "fs/read_dir::read_dir",
        "fs/read_dir::DirEntry::metadata",
        "path/info::PathInfo",
        "path/text::Path::read_text_as"
    ];
    let link = |f: &Folder| std::os::unix::fs::symlink("a", f.join("b")).unwrap();
    nothing_is_lost(nothing, async |f| Ok(fs::metadata(f.join("a")).await?.len())).await;
    nothing_is_lost(link, async |f| Ok(fs::symlink_metadata(f.join("b")).await?.ino())).await;
    nothing_is_lost(link, async |f| fs::exists(f.join("c")).await).await;
    nothing_is_lost(link, async |f| fs::read_link(f.join("b")).await).await;
    nothing_is_lost(link, async |f| fs::canonicalize(f.join("b")).await).await;
    nothing_is_lost(nothing, async |f| {
        let entry = fs::read_dir(f.path()).await?.next().await?.expect("there is a file");
        Ok(entry.metadata().await?.len())
    })
    .await;
    nothing_is_lost(link, async |f| {
        let info = Path::new(f.join("b")).info();
        Ok((info.exists().await?, info.is_symlink().await?, info.is_file().await?))
    })
    .await;
    nothing_is_lost(nothing, async |f| Path::new(f.join("a")).read_text_as(TextFormat::new()).await).await;
}

/// Goes on where it was cut short, and has everything once.
macro_rules! lists {
    ($count:expr, |$f:ident| $make:expr) => {
        cut_short_beside_threads(
            async || {
                let folder = Folder::with_file("");
                tree(&folder);
                let $f = &folder;
                let list = $make;
                (list, Vec::new(), folder)
            },
            async |(list, names, _)| {
                while let Some(entry) = list.next().await? {
                    names.push(format!("{entry:?}"));
                }
                anyio::Ok(())
            },
            async |(mut list, mut names, _folder), value| {
                if value.is_none() && names.is_empty() && list.next().await.is_err() {
                    return;
                }
                while let Some(entry) = list.next().await.unwrap() {
                    names.push(format!("{entry:?}"));
                }
                names.sort();
                names.dedup();
                assert!(names.len() == $count || names.len() + 1 == $count, "{names:#?}");
            },
        )
        .await
    };
}

#[anyio::test]
async fn no_entry_of_a_folder_is_lost() {
    covers![
        "fs/read_dir::ReadDir::next",
        "fs/glob::Glob::next",
        "fs/walk::Walk::next",
        "path/folders::WalkFolders::next"
    ];
    lists!(2, |f| fs::read_dir(f.path()).await.unwrap());
    lists!(2, |f| fs::glob(f.join("b/*/file")).unwrap());
    lists!(6, |f| fs::walk(f.path()).concurrency(1));
    lists!(4, |f| Path::new(f.path()).walk_folders());
}

#[anyio::test]
async fn what_is_made_in_several_steps_is_made_in_part_or_whole() {
    covers![
        "path/disk/making::Path::mkdir_with",
        "path/disk/making::Path::touch",
        "path/disk/making::Path::touch_with",
        "path/text::Path::write_text_as",
        "path/disk/copying::Copying::to",
        "path/disk/copying::Copying::into_folder",
        "path/disk/moving::Path::copy"
    ];
    cut_short(
        async || Folder::new(),
        async |f| {
            Path::new(f.join("b/c")).mkdir_with(MkdirOptions::new().parents(true)).await?;
            Path::new(f.join("b/c/d")).touch().await?;
            Path::new(f.join("b/c/d")).touch_with(TouchOptions::new()).await?;
            Path::new(f.join("b/c/d")).write_text_as("text", TextFormat::new()).await
        },
        async |f, value| {
            assert!(
                value.is_none() && "text".as_bytes().starts_with(&f.contents("b/c/d"))
                    || f.contents("b/c/d") == b"text"
            )
        },
    )
    .await;
    cut_short(
        async || {
            let folder = Folder::new();
            tree(&folder);
            std::fs::create_dir(folder.join("f")).unwrap();
            folder
        },
        async |f| {
            Path::new(f.join("b")).copying().to(f.join("e")).await?;
            Path::new(f.join("b")).copying().into_folder(f.join("f")).await?;
            Path::new(f.join("b/c/file")).copy(f.join("g")).await
        },
        async |f, value| {
            assert!("of the tree".as_bytes().starts_with(&f.contents("e/d/file")));
            assert!(value.is_none() || f.has("f/b/d/file") && f.contents("g") == b"of the tree");
            assert_eq!(f.contents("b/c/file"), b"of the tree");
        },
    )
    .await;
}

#[anyio::test]
async fn what_was_collected_so_far_is_dropped_and_the_rest_stays() {
    covers!["itertools/iter::collect", "functools/reduce::reduce", "functools/reduce::reduce_from"];
    cut_short(
        async || itertools::from_iter(1..=4),
        async |items| itertools::collect(&mut *items).await,
        async |items, value| {
            let rest: Vec<i32> = itertools::collect(items).await.unwrap();
            assert!(value.is_none_or(|all| all == [1, 2, 3, 4] && rest.is_empty()) && rest.len() <= 4);
        },
    )
    .await;
    nothing_is_lost(nothing, async |_| {
        let sum = async |a: i32, b: i32| anyio::Ok(a + b);
        let one = anyio::functools::reduce(itertools::from_iter(1..=4), sum).await?;
        let two = anyio::functools::reduce_from(10, itertools::from_iter(1..=4), sum).await?;
        Result::Ok((one, two))
    })
    .await;
}
