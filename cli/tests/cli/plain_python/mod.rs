//! Scripts, compared with a loop that starts plain Python for each input.

/// Tests that call the module's `compare`, each with a backend.
macro_rules! on_backends {
    ($($test:ident: $backend:literal,)*) => {
        $(
            #[test]
            fn $test() {
                compare($backend);
            }
        )*
    };
}

mod exits;
mod leftovers;
mod packages;
mod patches;
mod registries;
mod scripts;
mod whole_process;
