#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| secor_fuzz::targets::columns::run(data));
