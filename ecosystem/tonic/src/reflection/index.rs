//! What is known of services and messages, by their names.

use prost::{DecodeError, Message};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    error::Error,
    fmt,
    sync::Arc,
};
use tonic::Status;

/// A set of descriptors cannot be read.
#[derive(Debug)]
pub struct InvalidDescription(DecodeError);

impl fmt::Display for InvalidDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is to describe services is no set of descriptors")
    }
}

impl Error for InvalidDescription {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A `FileDescriptorSet` whose files are left as they are: options that are not known here would be lost.
#[derive(Clone, PartialEq, Message)]
struct EncodedSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

type File = Arc<[u8]>;

#[derive(Debug, Default)]
pub(super) struct Index {
    services: BTreeSet<String>,
    files: HashMap<String, File>,
    symbols: HashMap<String, File>,
    extensions: HashMap<String, BTreeMap<i32, File>>,
}

impl Index {
    pub(super) fn of<'a>(sets: impl Iterator<Item = &'a [u8]>) -> Result<Self, InvalidDescription> {
        let mut index = Self::default();
        for set in sets {
            for encoded in EncodedSet::decode(set).map_err(InvalidDescription)?.files {
                let file = FileDescriptorProto::decode(&*encoded).map_err(InvalidDescription)?;
                index.add_file(&file, encoded.into());
            }
        }
        Ok(index)
    }

    fn add_file(&mut self, file: &FileDescriptorProto, encoded: File) {
        if self.files.contains_key(file.name()) {
            return;
        }
        self.files.insert(file.name().to_owned(), encoded.clone());
        let package = file.package();
        for message in &file.message_type {
            self.add_message(package, message, &encoded);
        }
        for of in &file.enum_type {
            self.add_enum(package, of, &encoded);
        }
        for service in &file.service {
            self.add_service(package, service, &encoded);
        }
        self.add_extensions(package, &file.extension, &encoded);
    }

    fn add(&mut self, within: &str, name: &str, file: &File) -> String {
        let name = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        self.symbols.insert(name.clone(), file.clone());
        name
    }

    fn add_message(&mut self, within: &str, message: &DescriptorProto, file: &File) {
        let name = self.add(within, message.name(), file);
        for nested in &message.nested_type {
            self.add_message(&name, nested, file);
        }
        for nested in &message.enum_type {
            self.add_enum(&name, nested, file);
        }
        for field in &message.field {
            self.add(&name, field.name(), file);
        }
        for choice in &message.oneof_decl {
            self.add(&name, choice.name(), file);
        }
        self.add_extensions(&name, &message.extension, file);
    }

    fn add_enum(&mut self, within: &str, of: &EnumDescriptorProto, file: &File) {
        self.add(within, of.name(), file);
        for value in &of.value {
            // Beside it, as in C++.
            self.add(within, value.name(), file);
        }
    }

    fn add_service(&mut self, within: &str, service: &ServiceDescriptorProto, file: &File) {
        let name = self.add(within, service.name(), file);
        for method in &service.method {
            self.add(&name, method.name(), file);
        }
        self.services.insert(name);
    }

    fn add_extensions(&mut self, within: &str, extensions: &[FieldDescriptorProto], file: &File) {
        for extension in extensions {
            self.add(within, extension.name(), file);
            let of = extension.extendee().trim_start_matches('.').to_owned();
            self.extensions.entry(of).or_default().insert(extension.number(), file.clone());
        }
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &String> {
        self.services.iter()
    }

    pub(super) fn file(&self, name: &str) -> Result<Vec<Vec<u8>>, Status> {
        found(self.files.get(name), || format!("there is no file {name:?}"))
    }

    pub(super) fn symbol(&self, name: &str) -> Result<Vec<Vec<u8>>, Status> {
        found(self.symbols.get(name), || format!("there is no {name:?}"))
    }

    pub(super) fn extension(&self, of: &str, number: i32) -> Result<Vec<Vec<u8>>, Status> {
        let file = self.extensions.get(of).and_then(|numbers| numbers.get(&number));
        found(file, || format!("{of:?} has no extension {number}"))
    }

    pub(super) fn extensions_of(&self, name: &str) -> Result<Vec<i32>, Status> {
        match self.extensions.get(name) {
            Some(numbers) => Ok(numbers.keys().copied().collect()),
            None if self.symbols.contains_key(name) => Ok(Vec::new()),
            None => Err(Status::not_found(format!("there is no {name:?}"))),
        }
    }
}

fn found(file: Option<&File>, missing: impl FnOnce() -> String) -> Result<Vec<Vec<u8>>, Status> {
    match file {
        Some(file) => Ok(vec![file.to_vec()]),
        None => Err(Status::not_found(missing())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{EnumValueDescriptorProto, FileDescriptorSet};

    fn colours() -> EnumDescriptorProto {
        let value = EnumValueDescriptorProto { name: Some("RED".into()), ..Default::default() };
        EnumDescriptorProto { name: Some("Colour".into()), value: vec![value], ..Default::default() }
    }

    #[test]
    fn the_values_of_an_enumeration_stand_beside_it() {
        let message =
            DescriptorProto { name: Some("Paint".into()), enum_type: vec![colours()], ..Default::default() };
        let file = FileDescriptorProto {
            name: Some("paint.proto".into()),
            package: Some("paint".into()),
            message_type: vec![message],
            enum_type: vec![colours()],
            ..Default::default()
        };
        let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
        let index = Index::of([&*set].into_iter()).unwrap();
        for name in ["paint.Colour", "paint.RED", "paint.Paint.Colour", "paint.Paint.RED"] {
            assert!(index.symbol(name).is_ok(), "{name}");
        }
        assert!(index.symbol("paint.Colour.RED").is_err());
        assert!(index.symbol("paint.Paint.Colour.RED").is_err());
    }
}
