//! The manual: what anyio has, chapter by chapter, with programs that are compiled and run as tests.
//!
//! If you have an hour, read [basics], [task groups](task_groups), [cancellation] and [errors] in
//! this order: the other chapters build on them. If you come from AnyIO, Trio or tokio, begin with [migration].
//!
//! | chapter | |
//! | --- | --- |
//! | [basics] | running a program, the back ends, what a checkpoint is |
//! | [task_groups] | children, handles, starting in two steps, all, the first or one by one |
//! | [cancellation] | scopes, shields, cleanup, who cancelled, finishing in good order |
//! | [time_outs] | limits, deadlines, their reasons, partial results |
//! | [synchronisation] | events, locks, semaphores, limiters and conditions |
//! | [streams] | bytes and objects, channels, wrappers, adapters |
//! | [typed_attributes] | what a stream knows of itself, through all wrappers |
//! | [networking] | TCP, UNIX sockets, datagrams, names, servers, TLS, HTTP |
//! | [threads] | blocking functions, and calls from other threads |
//! | [subprocesses] | other programs |
//! | [worker_processes] | functions in processes of their own |
//! | [cores] | several processors |
//! | [files] | files, paths, temporary files |
//! | [signals] | signals and Ctrl-C |
//! | [testing] | tests, virtual time, deadlocks that are told of |
//! | [errors] | the error type, groups of errors, errors of your own |
//! | [contexts] | values that tasks inherit |
//! | [api_map] | AnyIO's and tokio's names, and what they are here |
//! | [migration] | whole programs side by side |
//! | [faq] | questions that come up |
//! | [not_promised] | what you should not rely on |
//! | [contributing] | how to work on anyio |

macro_rules! chapters {
    ($($name:ident $file:literal)*) => {$(
        #[doc = include_str!($file)]
        pub mod $name {}
    )*};
}

chapters! {
    basics "manual/basics.md"
    task_groups "manual/task_groups.md"
    cancellation "manual/cancellation.md"
    time_outs "manual/time_outs.md"
    synchronisation "manual/synchronisation.md"
    streams "manual/streams.md"
    typed_attributes "manual/typed_attributes.md"
    networking "manual/networking.md"
    threads "manual/threads.md"
    subprocesses "manual/subprocesses.md"
    worker_processes "manual/worker_processes.md"
    cores "manual/cores.md"
    files "manual/files.md"
    signals "manual/signals.md"
    testing "manual/testing.md"
    errors "manual/errors.md"
    contexts "manual/contexts.md"
    api_map "manual/api_map.md"
    migration "manual/migration.md"
    faq "manual/faq.md"
    not_promised "manual/not_promised.md"
    contributing "manual/contributing.md"
}
