//! A backup of a cluster that runs, and what goes on from it when all nodes are lost.

use crate::Lab;
use claviger_tests::Spread;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_on_from_a_backup_of_before_all_was_lost() {
    // Given a backup that was taken while devices bootstrapped, which went on after it
    let mut lab = Lab::of_three(Spread::Flows).await;
    let mut fleet = lab.fleet().await;
    fleet.works("before the backup").await;
    let promised = fleet.promised();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let backup = folder.path().join("backup");
    lab.cluster.back_up(&backup).await;
    fleet.works("after the backup").await;
    fleet.goes_on_without_a_handshake().await;
    assert!(fleet.promised().len() > promised.len(), "nothing is to be lost");

    // When all nodes die while devices are under way, their disks are lost, and it is restored
    fleet.ask_no_more().await;
    for number in 0..3 {
        lab.cluster.kill(number).await;
    }
    lab.cluster.restore(&backup).await;

    // Then what was promised before the backup is there, no session of before goes on, and all devices
    // come back; no number of any session was used twice, before and after.
    fleet.come_back(&lab.cluster, promised).await;
    fleet.works("after the restore").await;
    fleet.goes_on_without_a_handshake().await;
    fleet.end(lab.cluster.any()).await;
}
