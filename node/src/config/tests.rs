use super::*;

/// What is said of `text`.
fn said(text: &str) -> String {
    let faults = Config::parse(text).expect_err("it is wrong");
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
    assert_eq!(Config::parse("[[coaps]]\n").unwrap(), Config::default());
}

#[test]
fn what_is_shown_is_read_again() {
    let text = "[node]\ndata = 'a\"b'\ndisk_reserve = 0\n\
                [http]\nlisten = '[::]:80'\npublic_url = 'https://x/'\n\
                [[coaps]]\nlisten = '0.0.0.0:5684'\n\
                [[coaps]]\ntenant = 'b'\nhide_unknown_identity = true\nhalf_open_limit = 16\n\
                [log]\nformat = 'json'\nlevel = 'warn,claviger=debug'\n";
    let config = Config::parse(text).unwrap();

    assert_eq!(Config::parse(&config.show()).unwrap(), config);
    assert_eq!(Config::parse(&Config::default().show()).unwrap(), Config::default());
    assert_eq!(config.http.public_url.get(), Some("https://x"));
    assert_eq!(config.coaps[1].half_open_limit.get(), 16);
}

#[test]
fn what_the_readme_shows_is_read() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<_> = readme.split("```toml\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let text = block.split("```").next().unwrap();
        assert_eq!(Config::parse(text).err(), None, "{text}");
    }
}

#[test]
fn every_value_is_shown_with_its_words_and_its_default() {
    let mut other = Config::default();
    other.coaps[0].retransmission_timeout = Bounded::of::<9>();

    let shown = other.show();

    let paragraph = "\n# How long to wait before a flight of the handshake is sent again, in \
                     seconds; it\n# doubles each time. 1 for most networks, 9 for slow ones such \
                     as NB-IoT\n# (RFC 7925 §11).\n# Default: 1\nretransmission_timeout = 9\n";
    assert!(shown.contains(paragraph), "{shown}");
    let values = shown.lines().filter(|line| line.contains(" = ")).count();
    assert_eq!(values, TREE.iter().map(|(_, section, _)| section.fields.len()).sum::<usize>());
    assert_eq!(shown.matches("# Default: ").count(), values);
}

#[test]
fn a_listener_takes_the_credentials_and_suites_that_are_named() {
    let text = "[[coaps]]\ncredentials = ['psk']\nresumption = false\n\
                suites = ['TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256', 'TLS_PSK_WITH_AES_128_CCM_8']\n";
    let config = Config::parse(text).unwrap();

    let coaps = &config.coaps[0];
    assert!(coaps.credentials.take(CredentialKind::Psk));
    assert!(!coaps.credentials.take(CredentialKind::PublicKey) && !coaps.resumption);
    assert_eq!(coaps.suites.numbers(), [0xC0A8, 0xC037]);
    assert_eq!(Config::parse(&config.show()).unwrap(), config);
}

#[test]
fn a_credential_without_a_suite_is_told_with_its_line() {
    let named = |credentials, suites| {
        said(&format!("\n[[coaps]]\ncredentials = {credentials}\nsuites = {suites}\n"))
    };
    let psk = "['TLS_PSK_WITH_AES_128_CCM_8']";
    let signed = "['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8']";

    let certificate = named("['psk', 'certificate']", psk);
    assert!(certificate.starts_with("2: coaps[0].credentials: no suite is for certificate"));
    assert!(named("['psk']", signed).contains("no suite is for psk: name one"));
    let both = format!("[[coaps]]\ncredentials = ['certificate']\nsuites = {signed}\n");
    assert!(Config::parse(&both).is_ok());
}

#[test]
fn what_proves_nobody_cannot_be_named() {
    let table = [
        ("credentials = []", "without a kind of credential nobody can come"),
        ("credentials = ['oscore']", "expected some of psk, public_key, certificate"),
        ("suites = []", "without a suite nobody can come"),
        ("suites = ['TLS_ECDH_ANON_WITH_AES_128_CBC_SHA256']", "expected some of TLS_PSK_WITH"),
    ];
    for (line, words) in table {
        let said = said(&format!("[[coaps]]\n{line}\n"));
        assert!(said.starts_with("2: coaps") && said.contains(words), "{said}");
        assert!(!said.contains("ANON"), "{said}");
    }
}

#[test]
fn libraries_are_quiet_unless_they_are_named() {
    let filter = |level: &str| LogLevel::try_from(level.to_owned()).unwrap().filter().to_string();
    assert_eq!(filter("debug"), "openraft=error,lsm_tree=warn,fjall=warn,debug");
    assert_eq!(filter("info,openraft=trace"), "openraft=trace,lsm_tree=warn,fjall=warn,info");
}

#[test]
fn a_node_of_a_cluster_says_who_it_is_and_whom_it_joins() {
    let text = "[node]\nroles = ['ledger']\n[cluster]\nlisten = '0.0.0.0:5685'\n\
                advertise = 'one.example:5685'\njoin = ['two.example:5685', '[::1]:5685']\n\
                token_file = 'token'\n[[coaps]]\nname = 'public'\n";
    let config = Config::parse(text).unwrap();

    assert!(config.has(Role::Ledger) && !config.has(Role::Edge) && config.cluster.is_used());
    assert_eq!(config.cluster.join[1].get(), Some("[::1]:5685"));
    assert_eq!(config.token(), Some(PathBuf::from("/var/lib/claviger/token")));
    assert_eq!(Config::parse(&config.show()).unwrap(), config);
    assert!(!Config::default().cluster.is_used());
}

#[test]
fn a_place_in_a_cluster_that_cannot_be_is_told() {
    let edge = "[node]\nroles = ['edge']\n";
    let join = "[cluster]\njoin = ['a:1']\n";
    for (text, words) in [
        ("[node]\nroles = []\n".to_owned(), "node.roles: expected some of edge, ledger"),
        ("[node]\nroles = ['api']\n".to_owned(), "node.roles: expected some of edge, ledger"),
        (edge.to_owned(), "cluster.join: an edge without a ledger names"),
        (format!("{edge}{join}"), "3: cluster.token_file: who joins needs a token"),
        (format!("{edge}{join}listen = '[::1]:1'"), "cluster.listen: only a node of the ledger"),
        (format!("{join}token_file = 't'"), "cluster.listen: a node of the ledger that joins"),
        ("[cluster]\nlisten = '[::]:1'\n".to_owned(), "cluster.advertise: say where others"),
        (format!("{edge}{join}hold_level = 3"), "cluster.hold_level: only a node of the ledger"),
        (
            "[cluster]\nlisten = '[::1]:1'\nhold_level = 1\n".to_owned(),
            "cluster.hold_level: nodes know each other from level 2 on",
        ),
        ("[cluster]\nlisten = 'x'\n".to_owned(), "cluster.listen: expected an address such as"),
        ("[cluster]\njoin = ['x']\n".to_owned(), "cluster.join: expected a host and a port"),
        ("[[coaps]]\nname = 'a b'\n".to_owned(), "coaps[0].name: a listener's name has"),
    ] {
        assert!(said(&text).contains(words), "{text}: {}", said(&text));
    }
}

#[test]
fn a_relative_secret_file_lies_in_the_data_folder() {
    let config = Config::parse("[node]\ndata = '/d'\nkek_file = '/etc/kek'\n").unwrap();
    assert_eq!(config.node.kek(), PathBuf::from("/etc/kek"));
    assert_eq!(config.admin_token(), PathBuf::from("/d/admin-token"));
}

#[test]
fn an_unknown_key_is_told_with_its_line_its_path_and_the_nearest_one() {
    let table = [
        ("[node]\ndta = 'x'\n", "2: node.dta: there is no such key; did you mean `data`?\n"),
        ("node.kek = 'x'\n", "1: node.kek: there is no such key; did you mean `kek_file`?\n"),
        ("[htp]\n", "1: htp: there is no such section; did you mean `http`?\n"),
        (
            "[[coaps]]\n[[coaps]]\n\nlisen = 1\n",
            "4: coaps[1].lisen: there is no such key; did you mean `listen`?\n",
        ),
        (
            "[coaps]\ntenants = 'x'\n",
            "2: coaps.tenants: there is no such key; did you mean `tenant`?\n",
        ),
        (
            "[http]\nlevel = 'info'\n",
            "2: http.level: there is no such key; did you mean `log.level`?\n",
        ),
        ("[log]\nzzz = 1\n", "2: log.zzz: there is no such key; known are level, format\n"),
        (
            "raft = 1\n",
            "1: raft: there is no such section; \
             known are node, kek, cluster, http, coaps, devices, log\n",
        ),
        (
            "[http]\npublicurl = 1\n[log]\nlevels = 1\n",
            "2: http.publicurl: there is no such key; did you mean `public_url`?\n\
             4: log.levels: there is no such key; did you mean `level`?\n",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_told_with_what_is_expected() {
    let table = [
        ("[node]\ndata = 1\n", "2: node.data: invalid type: integer `1`, expected path string\n"),
        ("node = 1\n", "1: node: invalid type: integer `1`, expected struct Node\n"),
        ("[http]\nlisten = 'localhost'\n", "2: http.listen: invalid socket address syntax\n"),
        (
            "[http]\npublic_url = 'ftp://x'\n",
            "2: http.public_url: expected a URL such as https://claviger.example\n",
        ),
        (
            "[http]\npublic_url = 'https://a:b@x'\n",
            "2: http.public_url: a URL with a user or a password in it is no public one\n",
        ),
        (
            "[[coaps]]\n[[coaps]]\ntenant = 'a/b'\n",
            "3: coaps[1].tenant: a tenant's name has 1 to 64 letters, digits, `-` or `_`\n",
        ),
        (
            "[[coaps]]\nretransmission_timeout = 0\n",
            "2: coaps[0].retransmission_timeout: 0 is not within 1 to 60\n",
        ),
        (
            "[[coaps]]\nhalf_open_limit = -1\n",
            "2: coaps[0].half_open_limit: -1 is not within 16 to 1048576\n",
        ),
        (
            "[log]\nlevel = 'inof'\n",
            "2: log.level: expected off, error, warn, info, debug or trace, or such levels by \
             module\n",
        ),
        ("[log]\nformat = 'xml'\n", "2: log.format: expected text or json\n"),
        (
            "\n[http]\ntls_key_file = 'x'\n",
            "2: http: it takes tls_certificate_file and tls_key_file, or none of them\n",
        ),
        ("coaps = []\n", "1: coaps: there must be one, or devices have nowhere to come to\n"),
        (
            "[[coaps]]\n\n[[coaps]]\n",
            "3: coaps[1].listen: coaps[0] listens at 127.0.0.1:5684 already\n",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    assert_eq!(said("[node]\ndata = \n").lines().count(), 1);
    assert!(said("[node]\ndata = \n").starts_with("2: "), "{}", said("[node]\ndata = \n"));
    assert!(said("[node]\ndata = 'x'\ndata = 'y'\n").starts_with("3: duplicate key"));
}

#[test]
fn a_file_is_named_with_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "x = 1\ny = 2\n").unwrap();

    let words = Config::load(&path).unwrap_err().to_string();

    let name = path.display();
    assert_eq!(
        words,
        format!(
            "the configuration is wrong:\n  \
             {name}:1: x: there is no such section; \
             known are node, kek, cluster, http, coaps, devices, log\n  \
             {name}:2: y: there is no such section; \
             known are node, kek, cluster, http, coaps, devices, log"
        )
    );
    let missing = Config::load(&folder.path().join("d.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the configuration"), "{missing}");
}
