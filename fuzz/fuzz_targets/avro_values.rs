#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| secor_fuzz::targets::avro_values::run(data));
