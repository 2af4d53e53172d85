//! `claviger import`: devices of another bootstrap server.

mod leshan;

use super::exit::Failure;
use clap::Subcommand;
use leshan::Leshan;

/// What devices can be taken over from.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  claviger import leshan --security data/bssecurity.data --store data/bootstrapStore.json --dry-run")]
pub enum Import {
    /// Enrol the devices of a Leshan bootstrap server demo, with the keys that they have.
    #[command(after_help = "\
The demo keeps each device's key for the bootstrap in data/bssecurity.data, and what it writes to
the device in data/bootstrapStore.json. Give copies of both, or the address of the running demo.
Only the keys for the bootstrap are taken: Claviger makes the keys for the LwM2M server itself.

A device gets the profile whose server URI and Short Server ID are those of its account. Where no
profile has them, the command that makes one is shown, and the device is refused. --map names the
profile for a server URI, --profile that for all devices; then no --store is needed.

A device that is refused stops no other, and the exit code is then 7. Doing it again is safe. A dry
run writes nothing. Devices find Claviger when their Bootstrap-Server URI leads to it.

Examples:
  claviger import leshan --security data/bssecurity.data --store data/bootstrapStore.json --dry-run
  claviger import leshan --url http://127.0.0.1:8080
  claviger import leshan --url http://127.0.0.1:8080 --map coap://old.example:5683=meters
  claviger import leshan --security data/bssecurity.data --profile meters -o json")]
    Leshan(Leshan),
}

impl Import {
    /// Does it.
    ///
    /// # Errors
    /// What could not be read, or what the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Leshan(leshan) => leshan.run().await,
        }
    }
}
