//! The bytes of RFC 9180, appendix A.1.1: base mode with the suite that we use.

use crate::sealed::{decrypt, encrypt};
use crate::{DoesNotOpen, PrivateKey};
use core::convert::Infallible;
use data_encoding::HEXLOWER;
use hpke::Kem as _;
use hpke::Serializable;
use hpke::kem::X25519HkdfSha256 as Kem;
use rand_core::{TryCryptoRng, TryRng};

const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const IKM_E: &str = "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234";
const ENC: &str = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431";
const IKM_R: &str = "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037";
const SK_R: &str = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8";
const PK_R: &str = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
const PT: &str = "4265617574792069732074727574682c20747275746820626561757479";
const AAD: &str = "436f756e742d30";
const CT: &str =
    "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a";

/// Gives the RFC's keying material for the ephemeral key, once.
struct Ephemeral(Option<Vec<u8>>);

impl TryRng for Ephemeral {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("32 bytes are drawn at once")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("32 bytes are drawn at once")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0.take().expect("they are drawn once"));
        Ok(())
    }
}

impl TryCryptoRng for Ephemeral {}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn recipient() -> PrivateKey {
    PrivateKey::new(bytes(SK_R).as_slice().try_into().unwrap(), "")
}

#[test]
fn the_recipients_key_is_derived_as_the_rfc_has_it() {
    // Of the private half some bits are set before its use, so it is compared by what it makes.
    let (_, public) = Kem::derive_keypair(&bytes(IKM_R));
    assert_eq!(HEXLOWER.encode(&public.to_bytes()), PK_R);
    assert_eq!(HEXLOWER.encode(recipient().public().bytes()), PK_R);
}

#[test]
fn encrypts_to_the_bytes_of_the_rfc() {
    let mut rng = Ephemeral(Some(bytes(IKM_E)));
    let made = encrypt(&bytes(PK_R), &bytes(INFO), &bytes(AAD), &bytes(PT), &mut rng).unwrap();
    assert_eq!(HEXLOWER.encode(&made), [ENC, CT].concat());
}

#[test]
fn opens_the_bytes_of_the_rfc() {
    let value = bytes(&[ENC, CT].concat());
    let opened = decrypt(&recipient(), &bytes(INFO), &bytes(AAD), &value).unwrap();
    assert_eq!(*opened, bytes(PT));
    let other = decrypt(&recipient(), &bytes(INFO), b"Count-1", &value);
    assert_eq!(other, Err(DoesNotOpen));
}
