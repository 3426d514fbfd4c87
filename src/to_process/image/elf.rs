//! Where the program's own code lies, as the dynamic linker tells it.

use std::{env, ffi::c_int, io, ops::Range, os::raw::c_void, path::PathBuf, sync::OnceLock};

/// Where the program lies, and its code.
struct Program {
    base: usize,
    code: Vec<Range<usize>>,
}

/// How far from where the program lies this code is. `None` if it is not the program's.
pub(super) fn offset_of(address: usize) -> Option<usize> {
    let program = program_in_memory();
    program.contains(address).then(|| address.wrapping_sub(program.base))
}

/// The code at this distance, if that is the program's.
pub(super) fn address_at(offset: usize) -> Option<usize> {
    let program = program_in_memory();
    Some(program.base.wrapping_add(offset)).filter(|address| program.contains(*address))
}

/// The program's file, whatever lies where it was started.
pub(in crate::to_process) fn program() -> io::Result<PathBuf> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        return Ok("/proc/self/exe".into());
    }
    env::current_exe()
}

impl Program {
    fn contains(&self, address: usize) -> bool {
        self.code.iter().any(|part| part.contains(&address))
    }
}

fn program_in_memory() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut program = Program { base: 0, code: Vec::new() };
        // SAFETY: the function takes the pointer for what it is, and only while this call lasts.
        unsafe { libc::dl_iterate_phdr(Some(note_first), (&raw mut program).cast()) };
        program
    })
}

/// Notes the first of what is loaded, which is the program, and ends the walk.
///
/// # Safety
/// `data` is a [`Program`].
unsafe extern "C" fn note_first(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: the linker gives a valid record, and the other is the caller's: see above.
    let (info, program) = unsafe { (&*info, &mut *data.cast::<Program>()) };
    program.base = info.dlpi_addr as usize;
    for number in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: there are so many.
        let part = unsafe { &*info.dlpi_phdr.add(number) };
        if part.p_type == libc::PT_LOAD && part.p_flags & libc::PF_X != 0 {
            let begin = program.base.wrapping_add(part.p_vaddr as usize);
            program.code.push(begin..begin.saturating_add(part.p_memsz as usize));
        }
    }
    1
}
