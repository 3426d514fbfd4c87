//! In which form a file is sent.

use crate::{
    conditions::Version,
    encodings::Encoding,
    folder::{Folder, Found},
    options::Options,
    origin::Origin,
    request::Request,
};
use anyio::{
    Error, IoBufMut as _, Result,
    fs::{File, Metadata},
    to_thread,
};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    rc::Rc,
};

/// How long text may be to be compressed while somebody waits for it, in bytes, and how long it has to be to be worth it.
const COMPRESSED: std::ops::Range<u64> = 512..2 << 20;

/// What is sent of a file.
pub(crate) struct Representation {
    pub(crate) content: Chosen,
    pub(crate) length: u64,
    pub(crate) version: Version,
    pub(crate) media_type: String,
    pub(crate) encoding: Option<Encoding>,
    /// Whether others may get another form.
    pub(crate) varies: bool,
    pub(crate) origins: Vec<Origin>,
}

pub(crate) enum Chosen {
    File(File),
    Bytes(Rc<[u8]>),
}

impl Representation {
    /// Chooses among the forms that the client takes. Parts are always of the file as it is.
    pub(crate) async fn choose(
        request: &Request,
        folder: &Folder<'_>,
        options: &Options,
        file: File,
        metadata: &Metadata,
        path: &Path,
    ) -> Result<Self> {
        let media_type = media_type(path);
        let varies = !options.no_compression && is_text(&media_type);
        let plain = Self {
            content: Chosen::File(file),
            length: metadata.len(),
            version: Version::of(metadata),
            media_type,
            encoding: None,
            varies,
            origins: vec![Origin::new(folder.root().join(path), metadata)],
        };
        if options.no_compression || request.range.is_some() {
            return Ok(plain);
        }
        for encoding in Encoding::ALL.into_iter().filter(|&encoding| request.encodings.contains(encoding)) {
            let sibling = with_extension(path, encoding.extension());
            match folder.find(&sibling).await {
                Ok(Found::File(compressed, about)) if is_of_now(&about, metadata) => {
                    let mut origins = plain.origins;
                    origins.push(Origin::new(folder.root().join(sibling), &about));
                    return Ok(Self {
                        content: Chosen::File(compressed),
                        length: about.len(),
                        version: of_form(metadata, encoding),
                        encoding: Some(encoding),
                        varies: true,
                        origins,
                        ..plain
                    });
                }
                Err(error @ Error::Cancelled(_)) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        plain.compressed(request, metadata).await
    }

    /// The same compressed, if it is text of a length that is worth it.
    async fn compressed(self, request: &Request, metadata: &Metadata) -> Result<Self> {
        let is_wanted = self.varies && request.encodings.contains(Encoding::Gzip);
        let Chosen::File(file) = &self.content else { return Ok(self) };
        if !is_wanted || !COMPRESSED.contains(&self.length) {
            return Ok(self);
        }
        let bytes = read(file, self.length).await?;
        let compressed = to_thread::run_sync(move || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
            encoder.write_all(&bytes).and_then(|()| encoder.finish())
        });
        let compressed: Rc<[u8]> = compressed.await??.into();
        Ok(Self {
            length: compressed.len() as u64,
            content: Chosen::Bytes(compressed),
            version: of_form(metadata, Encoding::Gzip),
            encoding: Some(Encoding::Gzip),
            ..self
        })
    }
}

async fn read(file: &File, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    while (bytes.len() as u64) < length {
        let (filled, left) = (bytes.len(), length as usize - bytes.len());
        let (read, room) = file.read_at(bytes.room(filled, left), filled as u64).await;
        bytes = room.into_inner();
        if read? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(bytes)
}

/// The version of a file that is sent in another form, with a tag of its own.
fn of_form(metadata: &Metadata, encoding: Encoding) -> Version {
    let mut version = Version::of(metadata);
    version.tag.insert_str(version.tag.len() - 1, &format!("-{}", encoding.name()));
    version
}

fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Whether a compressed file was made of the other as it is, and not of an older one.
fn is_of_now(compressed: &Metadata, plain: &Metadata) -> bool {
    match (compressed.modified(), plain.modified()) {
        (Ok(compressed), Ok(plain)) => compressed >= plain,
        _ => false,
    }
}

fn is_text(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default();
    name.starts_with("text/")
        || name.ends_with("+xml")
        || name.ends_with("+json")
        || matches!(
            name,
            "application/json" | "application/javascript" | "application/xml" | "application/wasm"
        )
}

/// The type that a file's name speaks for. Text is taken for UTF-8.
fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}
