//! Functions named by where they are in the program.
//!
//! # Contract
//! Two processes of the same program have the same functions at the same distance from where the program lies in memory. So
//! an [`Address`] that was made in one is good in the other, if that is the same program: to the byte, which the
//! [`identity`] of both tells. Addresses are made and taken only of code that belongs to the program's own file, not of
//! libraries, which lie elsewhere in each process.

use serde::{Serialize, de::DeserializeOwned};
use std::{fs, io, mem, os::unix::fs::MetadataExt, ptr};

#[cfg(not(target_vendor = "apple"))]
mod elf;
#[cfg(target_vendor = "apple")]
mod mach;
#[cfg(not(target_vendor = "apple"))]
use elf as loaded;
#[cfg(target_vendor = "apple")]
use mach as loaded;

pub(super) use loaded::program;

/// Calls a function of this type, given as a place in memory, with an argument of bytes.
type Invoke = unsafe fn(*const (), &[u8]) -> Result<Vec<u8>, String>;

/// Which function, as distances from where the program lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// That of the [`invoke`] for the function's type.
    invoke: u64,
    function: u64,
}

impl Address {
    pub(super) const LENGTH: usize = 16;

    /// That of a function. `None` if it does not belong to the program's own file.
    pub(super) fn of<A: DeserializeOwned, T: Serialize>(function: fn(A) -> T) -> Option<Self> {
        let invoke: Invoke = invoke::<A, T>;
        Some(Self {
            invoke: loaded::offset_of(invoke as usize)? as u64,
            function: loaded::offset_of(function as usize)? as u64,
        })
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.invoke.to_le_bytes());
        bytes[8..].copy_from_slice(&self.function.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let part = |part: &[u8]| u64::from_le_bytes(part.try_into().expect("eight bytes"));
        Self { invoke: part(&bytes[..8]), function: part(&bytes[8..]) }
    }

    /// Calls the function.
    ///
    /// # Safety
    /// The address was made by [`of`](Self::of) in a process of the same program.
    pub(super) unsafe fn call(self, argument: &[u8]) -> Result<Vec<u8>, String> {
        let place = |offset: u64| usize::try_from(offset).ok().and_then(loaded::address_at);
        let (Some(invoke), Some(function)) = (place(self.invoke), place(self.function)) else {
            return Err("the function is not a part of this program".to_owned());
        };
        // SAFETY: where the other process has an `invoke` this one has it, too, as it is the same program.
        let invoke: Invoke = unsafe { mem::transmute(ptr::with_exposed_provenance::<()>(invoke)) };
        // SAFETY: and so with the function, whose type this `invoke` is for.
        unsafe { invoke(ptr::with_exposed_provenance(function), argument) }
    }
}

/// Calls a function with an argument of bytes.
///
/// # Safety
/// The pointer is a `fn(A) -> T`.
unsafe fn invoke<A: DeserializeOwned, T: Serialize>(
    function: *const (),
    argument: &[u8],
) -> Result<Vec<u8>, String> {
    // SAFETY: it is one: see above.
    let function: fn(A) -> T = unsafe { mem::transmute(function) };
    call(function, argument)
}

/// Calls a function with an argument of bytes, and gives bytes, or why that cannot be.
pub(super) fn call<A: DeserializeOwned, T: Serialize>(
    function: fn(A) -> T,
    argument: &[u8],
) -> Result<Vec<u8>, String> {
    let argument = match postcard::take_from_bytes(argument) {
        Ok((argument, [])) => argument,
        Ok(_) => return Err("the argument is of another type".to_owned()),
        Err(error) => return Err(format!("the argument cannot be read: {error}")),
    };
    postcard::to_allocvec(&function(argument))
        .map_err(|error| format!("the value cannot be passed on: {error}"))
}

/// What tells this program's file from all others, and from others that lay in its place: a file that is being run cannot be
/// changed.
pub(super) fn identity() -> io::Result<[u8; 32]> {
    let file = fs::metadata(program()?)?;
    let mut identity = [0; 32];
    let parts = [
        file.dev(),
        file.ino(),
        file.size(),
        file.ctime().wrapping_mul(1_000_000_000) as u64 ^ file.ctime_nsec() as u64,
    ];
    for (place, part) in identity.chunks_exact_mut(8).zip(parts) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: u32) -> u64 {
        u64::from(number) * 2
    }

    #[test]
    fn a_function_is_found_where_it_is() {
        let address = Address::of(double).unwrap();
        let address = Address::from_bytes(&address.to_bytes());
        let argument = postcard::to_allocvec(&21_u32).unwrap();
        // SAFETY: made in this very process.
        let value = unsafe { address.call(&argument) }.unwrap();
        assert_eq!(postcard::from_bytes(&value), Ok(42_u64));
    }

    #[test]
    fn what_is_not_in_the_program_is_no_function_of_it() {
        assert_eq!(loaded::offset_of(Box::into_raw(Box::new(1)) as usize), None);
        assert_eq!(loaded::offset_of(libc::getpid as *const () as usize), None);
        assert_eq!(loaded::address_at(usize::MAX - 7), None);
        static DATA: [u64; 4] = [1; 4];
        assert_eq!(loaded::offset_of(DATA.as_ptr() as usize), None, "it cannot be called");
    }

    #[test]
    fn an_argument_of_another_type_is_refused() {
        let refused = call(double, &postcard::to_allocvec(&(1_u32, 2_u32)).unwrap()).unwrap_err();
        assert!(refused.contains("another type"), "{refused}");
        let refused = call(double, &[]).unwrap_err();
        assert!(refused.contains("cannot be read"), "{refused}");
    }
}
