//! RTMPS, to a server that ends TLS with OpenSSL.

use lunora_testkit::real::{authority::Authority, machine, media::decodes_clean, nginx::Nginx};

use crate::studio::{Studio, on_free_ports};

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn a_server_of_a_known_authority_has_a_stream_that_decodes_clean() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let address = machine::address();
    let nginx = Nginx::with_tls(address, &authority.certify(address));
    let mut command = on_free_ports(folder.path());
    let studio = Studio::run(command.arg("--ca").arg(authority.certificate()));

    let id = studio.api.add_live("first", &nginx.tls_url("first"));
    studio.api.has_sent(&id, 4 * 72);
    studio.api.stop(&id);

    let recorded = decodes_clean(nginx.recording("first").to_str().unwrap(), None);
    assert!(
        recorded.pictures > 90 && recorded.sounds > 150,
        "{recorded:?}"
    );
    assert!(nginx.saw_a_proper_end("first"));
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn a_server_that_cannot_be_trusted_gets_nothing() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let address = machine::address();
    let elsewhere = authority.certify(machine::address());
    let of_nobody = Nginx::with_tls(address, &authority.certify(address));
    let of_another = Nginx::with_tls(machine::address(), &elsewhere);
    let without = Studio::start(&folder.path().join("without"));
    let mut command = on_free_ports(&folder.path().join("with"));
    let with = Studio::run(command.arg("--ca").arg(authority.certificate()));

    for (studio, nginx) in [(&without, &of_nobody), (&with, &of_another)] {
        let id = studio.api.add_live("first", &nginx.tls_url("first"));
        let shown = studio
            .api
            .shows(&id, "at fault", |state| state["fault"].is_object());

        let fault = &shown["state"]["fault"];
        assert_eq!(fault["code"], "tls", "{fault}");
        assert_eq!(fault["class"], "actionable", "{fault}");
        assert!(
            fault["text"].as_str().unwrap().contains("certificate"),
            "{fault}"
        );
        assert_eq!(shown["state"]["severity"], "action_needed");
        assert_eq!(shown["streaming_status"], "error");
        assert!(nginx.recordings("first").is_empty());
    }
}
