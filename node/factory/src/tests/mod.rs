mod keys;
mod values;
mod vectors;

use crate::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn key(tenant: &str) -> PrivateKey {
    PrivateKey::make(tenant, &mut rng(1))
}

fn binding() -> Binding<'static> {
    Binding { purpose: Purpose::Manufacturer, endpoint: "urn:dev:1", identity: b"identity-1" }
}
