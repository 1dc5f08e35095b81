//! Modules from git, archives, pages and registries on this machine, and hosts that mean no good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use portcullis_estate::{Entry, Source};
use portcullis_mirror::Credential;
use portcullis_model::{Code, Digest, Fault, RemoteSource, SourcePattern};
use portcullis_sources::{Fetched, Limits, Order, Settings, SourceCredential, Sources};
use portcullis_testkit::{FileServer, GitServer, TestRepo};
use tempfile::TempDir;

/// A runner's sources, and what its fleet allows.
struct World {
    sources: Sources,
    allow: Vec<SourcePattern>,
    dir: TempDir,
}

impl World {
    fn new(allow: &[String]) -> Self {
        World::with(allow, |_| {})
    }

    fn with(allow: &[String], change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(dir.path());
        change(&mut settings);
        let allow = allow.iter().map(|text| SourcePattern::parse(text).unwrap()).collect();
        World { sources: Sources::open(settings).unwrap(), allow, dir }
    }

    async fn fetch(&self, source: &str) -> Result<Fetched, Fault> {
        self.fetch_in(source, "run").await
    }

    async fn fetch_in(&self, source: &str, scope: &str) -> Result<Fetched, Fault> {
        let source = RemoteSource::parse(source)?;
        self.sources
            .fetch(Order { source: &source, allow: &self.allow, default_registry: "registry.terraform.io", scope })
            .await
    }

    async fn code(&self, source: &str) -> Code {
        let fault = self.fetch(source).await.map(|fetched| fetched.resolved).expect_err(source);
        assert!(!fault.to_string().is_empty());
        fault.code()
    }
}

fn text(files: &dyn Source, path: &str) -> Option<String> {
    match files.read(path).unwrap() {
        Some(Entry::File { bytes, .. }) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    }
}

fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_gz(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A repository of modules, served over HTTP.
struct Modules {
    repo: TestRepo,
    server: GitServer,
}

impl Modules {
    fn new(login: Option<(&str, &str)>) -> Self {
        let repo = TestRepo::new();
        repo.write("vpc/main.tf", "# one\n");
        repo.write("vpc/.hidden", "");
        repo.commit("one");
        repo.tag("v1");
        repo.push();
        let root = repo.remote().parent().unwrap().to_owned();
        Modules { server: GitServer::start(&root, login), repo }
    }

    fn source(&self, rest: &str) -> String {
        format!("git::{}{rest}", self.server.url("remote.git"))
    }

    fn place(&self) -> String {
        self.server.url("remote").replace("http://", "")
    }
}

#[tokio::test]
async fn a_repository_is_read_at_a_tag_a_branch_and_a_commit() {
    let modules = Modules::new(None);
    let one = modules.repo.head();
    modules.repo.write("vpc/main.tf", "# two\n");
    modules.repo.commit("two");
    modules.repo.push();
    let world = World::new(&[modules.place()]);
    for (rest, content) in [
        ("//vpc?ref=v1", "# one\n"),
        ("//vpc?ref=main", "# two\n"),
        ("//vpc?ref=main&depth=1", "# two\n"),
        ("//vpc", "# two\n"),
        (&format!("//vpc?ref={one}"), "# one\n"),
    ] {
        let fetched = world.fetch(&modules.source(rest)).await.unwrap();
        assert_eq!(text(&*fetched.files, "vpc/main.tf").as_deref(), Some(content), "{rest}");
        assert_eq!(fetched.root, ".", "the whole repository is laid out, what follows `//` is found in it");
    }
    assert_eq!(world.code(&modules.source("?ref=v2")).await, Code::REF_UNKNOWN);
}

#[tokio::test]
async fn a_tag_that_moves_is_other_content_in_the_next_run_and_the_same_within_one() {
    let modules = Modules::new(None);
    let world = World::new(&[modules.place()]);
    let source = modules.source("//vpc?ref=v1");
    let before = world.fetch_in(&source, "one").await.unwrap();
    modules.repo.write("vpc/main.tf", "# moved\n");
    modules.repo.commit("moved");
    modules.repo.git(&["tag", "--force", "v1"]);
    modules.repo.push();
    let within = world.fetch_in(&source, "one").await.unwrap();
    assert_eq!((&within.resolved, within.digest), (&before.resolved, before.digest));
    let after = world.fetch_in(&source, "two").await.unwrap();
    assert_ne!(after.digest, before.digest);
    assert_eq!(text(&*after.files, "vpc/main.tf").as_deref(), Some("# moved\n"));
    // Another commit with the same files is the same content.
    modules.repo.commit("nothing changed");
    modules.repo.git(&["tag", "--force", "v1"]);
    modules.repo.push();
    let again = world.fetch_in(&source, "three").await.unwrap();
    assert_ne!(again.resolved, after.resolved);
    assert_eq!(again.digest, after.digest);
}

#[tokio::test]
async fn a_commit_that_is_there_needs_no_network_and_one_of_a_fork_is_refused() {
    let modules = Modules::new(None);
    let world = World::new(&[modules.place()]);
    let source = modules.source(&format!("?ref={}", modules.repo.head()));
    world.fetch_in(&source, "one").await.unwrap();
    let asked = modules.server.authorizations().len();
    world.fetch_in(&source, "two").await.unwrap();
    assert_eq!(modules.server.authorizations().len(), asked);
    // In the object store of the forge, under this very address, and reached by no branch or tag.
    let fork = modules.repo.git_remote(&["commit-tree", "-m", "fork", "HEAD^{tree}"]).trim().to_owned();
    modules.repo.git_remote(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    assert_eq!(world.code(&modules.source(&format!("?ref={fork}"))).await, Code::REF_UNKNOWN);
}

#[tokio::test]
async fn tasks_of_a_run_share_a_fetch() {
    let modules = Modules::new(None);
    let world = World::new(&[modules.place()]);
    let source = modules.source("?ref=v1");
    let (one, two) = tokio::join!(world.fetch(&source), world.fetch(&source));
    assert_eq!(one.unwrap().digest, two.unwrap().digest);
    let asked = modules.server.authorizations().len();
    world.fetch(&source).await.unwrap();
    assert_eq!(modules.server.authorizations().len(), asked);
}

#[tokio::test]
async fn nothing_is_asked_for_that_is_not_allowed() {
    let (modules, files) = (Modules::new(None), FileServer::start());
    files.put("/m/a.zip", zip(&[("main.tf", "")]));
    let world = World::new(&["github.com/acme/*".into(), format!("{}/other/**", files.host())]);
    let refused = [
        modules.source("?ref=v1"),
        files.url("/m/a.zip"),
        format!("tfr://{}/a/b/c?version=1.0.0", files.host()),
        "github.com/evil/modules?ref=v1".into(),
        "git@github.com:evil/modules.git".into(),
        "tfr:///terraform-aws-modules/vpc/aws?version=5.0.0".into(),
        "https://169.254.169.254/latest/a.zip".into(),
    ];
    for source in refused {
        let fault = world.fetch(&source).await.unwrap_err();
        assert_eq!(fault.code(), Code::SOURCE_REFUSED, "{source}");
        assert!(fault.remedy_text().unwrap().contains("sources { allow = [\""), "{fault}");
    }
    assert_eq!((files.asked(), modules.server.authorizations()), (vec![], vec![]));
    // By itself, where nothing is said.
    assert_eq!(World::new(&[]).code("github.com/acme/modules").await, Code::SOURCE_REFUSED);
}

#[tokio::test]
async fn what_is_allowed_by_name_is_not_reached_where_it_leads_to_this_machine() {
    let files = FileServer::start();
    let port = files.host().rsplit_once(':').unwrap().1.to_owned();
    for host in ["169.254.169.254".to_owned(), format!("0.0.0.0:{port}")] {
        let world = World::new(&[format!("{host}/**")]);
        for source in [format!("https://{host}/a.zip"), format!("git::https://{host}/a")] {
            assert_eq!(world.code(&source).await, Code::SOURCE_FETCH, "{source}");
        }
    }
    // An odd spelling is the address that it is asked as, which is another than the one that is allowed.
    let world = World::new(&[format!("127.1:{port}/**")]);
    assert_eq!(world.code(&format!("https://127.1:{port}/a.zip")).await, Code::SOURCE_REFUSED);
    assert_eq!(world.code(&format!("git::https://127.1:{port}/a")).await, Code::SOURCE_FETCH);
    assert_eq!(files.asked(), []);
}

#[tokio::test]
async fn an_archive_is_unpacked_in_memory_and_kept_by_its_digest() {
    let files = FileServer::start();
    files.put("/m/a.zip", zip(&[("vpc/main.tf", "# zip\n")]));
    files.put("/m/b", tar_gz(&[("./vpc/main.tf", "# tar\n"), ("vpc/run.sh", "")]));
    let world = World::new(&[format!("{}/m/**", files.host())]);
    let fetched = world.fetch(&files.url("/m/a.zip//vpc")).await.unwrap();
    assert_eq!(text(&*fetched.files, "vpc/main.tf").as_deref(), Some("# zip\n"));
    let fetched = world.fetch(&files.url("/m/b//vpc?archive=tar.gz")).await.unwrap();
    assert_eq!(text(&*fetched.files, "vpc/main.tf").as_deref(), Some("# tar\n"));
    assert!(matches!(fetched.files.read("vpc/run.sh").unwrap(), Some(Entry::File { executable: true, .. })));
    // Only archives are on disk, under their names.
    let kept: Vec<_> = std::fs::read_dir(world.dir.path().join("archives")).unwrap().collect();
    assert_eq!(kept.len(), 2);
    // One that was damaged is fetched again, also within a run.
    for entry in kept {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    files.asked();
    assert!(world.fetch(&files.url("/m/a.zip//vpc")).await.is_ok());
    assert_eq!(files.asked().len(), 1);
}

#[tokio::test]
async fn a_checksum_is_held_to_and_spares_the_network() {
    let files = FileServer::start();
    let bytes = zip(&[("main.tf", "")]);
    files.put("/m/a.zip", bytes.clone());
    let world = World::new(&[format!("{}/m/**", files.host())]);
    let right = files.url(&format!("/m/a.zip?checksum=sha256:{}", Digest::of(&bytes)));
    world.fetch_in(&right, "one").await.unwrap();
    files.put("/m/a.zip", zip(&[("main.tf", "# replaced")]));
    files.asked();
    world.fetch_in(&right, "two").await.unwrap();
    assert_eq!(files.asked(), [], "it is there");
    let wrong = files.url(&format!("/m/a.zip?checksum={}", Digest::of(b"other")));
    assert_eq!(world.code(&wrong).await, Code::SOURCE_DIGEST);
    let wrong = files.url(&format!("/m/a.zip?checksum=sha512:{}", "0".repeat(128)));
    assert_eq!(world.code(&wrong).await, Code::SOURCE_DIGEST);
}

#[tokio::test]
async fn redirects_stay_where_the_fleet_allows() {
    let (files, elsewhere) = (FileServer::start(), FileServer::start());
    elsewhere.put("/x/a.zip", zip(&[("main.tf", "")]));
    files.put("/m/real.zip", zip(&[("main.tf", "")]));
    files.redirect("/m/near.zip", "real.zip");
    files.redirect("/m/far.zip", &elsewhere.url("/x/a.zip"));
    files.redirect("/m/up.zip", "/secret/a.zip");
    files.redirect("/m/hidden.zip", "/m/%2e%2e/secret/a.zip");
    files.redirect("/m/meta.zip", "http://169.254.169.254/a.zip");
    files.redirect("/m/file.zip", "file:///etc/passwd");
    files.redirect("/m/loop.zip", "/m/loop.zip");
    let world = World::new(&[format!("{}/m/**", files.host())]);
    assert!(world.fetch(&files.url("/m/near.zip")).await.is_ok());
    for (name, code) in [
        ("far", Code::SOURCE_REFUSED),
        ("up", Code::SOURCE_REFUSED),
        ("hidden", Code::SOURCE_REFUSED),
        ("meta", Code::SOURCE_FETCH),
        ("file", Code::SOURCE_FETCH),
        ("loop", Code::SOURCE_FETCH),
    ] {
        assert_eq!(world.code(&files.url(&format!("/m/{name}.zip"))).await, code, "{name}");
    }
    assert_eq!(elsewhere.asked(), []);
    assert!(files.asked().iter().all(|asked| asked.path.starts_with("/m/")));
    let both = World::new(&[format!("{}/m/**", files.host()), format!("{}/x/*", elsewhere.host())]);
    assert!(both.fetch(&files.url("/m/far.zip")).await.is_ok());
}

#[tokio::test]
async fn a_credential_goes_to_its_place_alone() {
    let (files, elsewhere) = (FileServer::start(), FileServer::start());
    elsewhere.put("/x/a.zip", zip(&[("main.tf", "")]));
    files.put("/private/a.zip", zip(&[("main.tf", "")]));
    files.put("/public/a.zip", zip(&[("main.tf", "")]));
    files.redirect("/private/far.zip", &elsewhere.url("/x/a.zip"));
    let modules = Modules::new(Some(("me", "sesame")));
    let allow = [format!("{}/**", files.host()), format!("{}/**", elsewhere.host()), modules.place()];
    let world = World::with(&allow, |settings| {
        let token = |place: String| SourceCredential {
            place: SourcePattern::parse(&place).unwrap(),
            credential: Credential::Token("me:sesame".into()),
        };
        settings.credentials = vec![token(format!("{}/private/**", files.host())), token(modules.place())];
    });
    for path in ["/private/a.zip", "/public/a.zip", "/private/far.zip"] {
        world.fetch(&files.url(path)).await.unwrap();
    }
    let seen: Vec<(String, bool)> =
        files.asked().into_iter().map(|asked| (asked.path, asked.authorization.is_some())).collect();
    let wanted = [("/private/a.zip", true), ("/public/a.zip", false), ("/private/far.zip", true)];
    assert_eq!(seen, wanted.map(|(path, shown)| (path.to_owned(), shown)));
    assert_eq!(elsewhere.asked()[0].authorization, None);
    world.fetch(&modules.source("?ref=v1")).await.unwrap();
    // Without it, and over SSH without a key.
    let none = World::new(&[modules.place(), "git.example/a/*".into()]);
    assert_eq!(none.code(&modules.source("?ref=v1")).await, Code::GIT_FAILED);
    assert_eq!(none.code("git@git.example:a/b").await, Code::SOURCE_FETCH);
}

#[tokio::test]
async fn a_page_says_where_the_module_is() {
    let (files, modules) = (FileServer::start(), Modules::new(None));
    files.put("/m/a.zip", zip(&[("deep/vpc/main.tf", "# a\n")]));
    files.reply("/p/header", 200, &[("x-terraform-get", "/m/a.zip//deep")], "");
    files.put(
        "/p/meta",
        format!("<html><meta name=\"terraform-get\" content=\"{}\"></html>", modules.source("?ref=v1")),
    );
    files.put("/p/silent", "<html></html>");
    files.reply("/p/chain", 200, &[("x-terraform-get", "/p/chain")], "");
    files.reply("/p/ext", 200, &[("x-terraform-get", "ext::sh -c x")], "");
    let world = World::new(&[format!("{}/**", files.host()), modules.place()]);
    let fetched = world.fetch(&files.url("/p/header//vpc")).await.unwrap();
    assert_eq!(fetched.root, "deep", "what the page names after `//` is the root, what the source names is below it");
    assert_eq!(files.asked()[0].path, "/p/header?terraform-get=1");
    assert!(world.fetch(&files.url("/p/meta//vpc")).await.unwrap().resolved.starts_with("commit "));
    for (page, code) in [("silent", Code::SOURCE_FETCH), ("chain", Code::SOURCE_FETCH), ("ext", Code::SOURCE_SYNTAX)] {
        assert_eq!(world.code(&files.url(&format!("/p/{page}"))).await, code, "{page}");
    }
    // The page is allowed, where it leads is not.
    let half = World::new(&[format!("{}/p/*", files.host())]);
    assert_eq!(half.code(&files.url("/p/header")).await, Code::SOURCE_REFUSED);
}

/// A registry of one module.
fn registry(files: &FileServer, location: &str) {
    files.put("/.well-known/terraform.json", r#"{"modules.v1": "/api/modules"}"#);
    let versions = r#"{"modules":[{"versions":[{"version":"1.9.0"},{"version":"1.10.0"},{"version":"2.0.0-rc1"}]}]}"#;
    files.put("/api/modules/acme/vpc/aws/versions", versions);
    files.reply("/api/modules/acme/vpc/aws/1.10.0/download", 204, &[("x-terraform-get", location)], "");
    files.put("/api/modules/acme/vpc/aws/1.9.0/download", format!("{{\"location\": \"{location}\"}}"));
}

#[tokio::test]
async fn a_registry_leads_to_an_archive_or_a_repository() {
    let (files, modules) = (FileServer::start(), Modules::new(None));
    files.put("/d/a.tgz", tar_gz(&[("acme-vpc-1234/main.tf", "# r\n")]));
    registry(&files, "/d/a.tgz//*?archive=tar.gz");
    let allow = [format!("{}/acme/*/*", files.host()), format!("{}/d/*", files.host()), modules.place()];
    let world = World::with(&allow, |settings| {
        let place = SourcePattern::parse(&format!("{}/acme/*/*", files.host())).unwrap();
        settings.credentials = vec![SourceCredential { place, credential: Credential::Token("t".into()) }];
    });
    let source = |rest: &str| format!("tfr://{}/acme/vpc/aws{rest}", files.host());
    let fetched = world.fetch(&source("?version=1.10.0")).await.unwrap();
    assert_eq!(fetched.root, "acme-vpc-1234");
    let asked = files.asked();
    let authorized: Vec<bool> = asked.iter().map(|asked| asked.authorization.is_some()).collect();
    assert_eq!(authorized, [true, true, false], "the registry's token is for the registry: {asked:?}");
    assert_eq!(asked[0].authorization.as_deref(), Some("Bearer t"));
    assert!(world.fetch(&source("?version=1.9.0")).await.is_ok(), "OpenTofu's registry says it in the body");
    files.asked();
    world.fetch(&source("")).await.unwrap();
    assert!(files.asked().iter().any(|asked| asked.path.ends_with("/1.10.0/download")), "the newest release");
    assert_eq!(world.code(&source("?version=3.0.0")).await, Code::SOURCE_FETCH);
    registry(&files, &modules.source("//vpc?ref=v1"));
    let fetched = world.fetch_in(&source("?version=1.10.0"), "later").await.unwrap();
    assert_eq!((fetched.root.as_str(), fetched.resolved.starts_with("commit ")), ("vpc", true));
    // A link may lead out of the root, so what is beside it counts.
    modules.repo.write("beside/main.tf", "");
    modules.repo.commit("beside");
    modules.repo.git(&["tag", "--force", "v1"]);
    modules.repo.push();
    let beside = world.fetch_in(&source("?version=1.10.0"), "even later").await.unwrap();
    assert_ne!(beside.digest, fetched.digest);
}

#[tokio::test]
async fn a_registry_leads_nowhere_else() {
    let (files, elsewhere) = (FileServer::start(), FileServer::start());
    elsewhere.put("/m/a.zip", zip(&[("main.tf", "")]));
    let world = World::new(&[format!("{}/acme/*/*", files.host())]);
    let source = format!("tfr://{}/acme/vpc/aws?version=1.10.0", files.host());
    for (location, code) in [
        (elsewhere.url("/m/a.zip"), Code::SOURCE_REFUSED),
        ("https://169.254.169.254/a.zip".into(), Code::SOURCE_REFUSED),
        ("git::ext::sh -c x".into(), Code::SOURCE_SYNTAX),
        ("file:///etc/passwd".into(), Code::SOURCE_SYNTAX),
        ("tfr:///a/b/c?version=1.0.0".into(), Code::SOURCE_FETCH),
    ] {
        registry(&files, &location);
        assert_eq!(world.code(&source).await, code, "{location}");
    }
    files.put("/.well-known/terraform.json", format!("{{\"modules.v1\": \"{}\"}}", elsewhere.url("/api")));
    assert_eq!(world.code(&source).await, Code::SOURCE_REFUSED);
    files.put("/.well-known/terraform.json", "{}");
    assert_eq!(world.code(&source).await, Code::SOURCE_FETCH);
    assert_eq!(elsewhere.asked(), []);
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    let files = FileServer::start();
    files.put("/m/a.zip", vec![b'x'; 100_000]);
    files.put("/m/bomb.tgz", tar_gz(&[("main.tf", &"0".repeat(200_000))]));
    let world = World::with(&[format!("{}/m/*", files.host())], |settings| {
        settings.limits = Limits { archive_bytes: 50_000, unpacked_bytes: 100_000, ..Limits::default() };
    });
    assert_eq!(world.code(&files.url("/m/a.zip")).await, Code::SOURCE_FETCH);
    assert_eq!(world.code(&files.url("/m/bomb.tgz")).await, Code::SOURCE_ARCHIVE);
}

#[tokio::test]
async fn mirrors_make_room_for_others() {
    let (one, two) = (Modules::new(None), Modules::new(None));
    let world = World::with(&[one.place(), two.place()], |settings| settings.limits.mirrors = 1);
    let mirrors = |dir: &Path| std::fs::read_dir(dir.join("git")).unwrap().count();
    let held = world.fetch(&one.source("?ref=v1")).await.unwrap();
    assert_eq!(world.code(&two.source("?ref=v1")).await, Code::SOURCE_FETCH, "it is in use");
    drop(held);
    world.fetch(&two.source("?ref=v1")).await.unwrap();
    assert_eq!(mirrors(world.dir.path()), 1);
    world.fetch(&one.source("?ref=v1")).await.unwrap();
}

#[tokio::test]
async fn a_repository_of_many_small_files_is_held_to_its_size_as_well() {
    // Over git's old protocol each object is a file of its own, so no file of them meets a limit for one file.
    let files = FileServer::start();
    let repo = TestRepo::new();
    let mut random = 1u64;
    for number in 0..40 {
        let bytes = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random.to_be_bytes()[0]
        });
        repo.write(&format!("f{number}"), bytes.take(100_000).collect::<Vec<_>>());
    }
    repo.commit("large");
    repo.tag("v1");
    repo.push();
    repo.git_remote(&["update-server-info"]);
    serve_folder(&files, &repo.remote(), "/a.git");
    let world = World::with(&[format!("{}/a", files.host())], |settings| {
        settings.limits.repository_bytes = 1_000_000;
    });
    assert_eq!(world.code(&format!("git::{}?ref=v1", files.url("/a.git"))).await, Code::REPOSITORY_TOO_LARGE);
}

#[tokio::test]
async fn a_folder_that_names_the_one_above_is_refused_also_where_git_did_not_look() {
    // Git's old protocol takes objects as they are. A tree with `..` would be laid out above the module's folder.
    let (files, repo) = (FileServer::start(), TestRepo::new());
    repo.write("main.tf", "");
    repo.commit("one");
    let main = repo.git(&["rev-parse", "HEAD:main.tf"]);
    let id: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&main[at..at + 2], 16).unwrap()).collect();
    let tree = |name: &str, mode: &str, id: &[u8]| {
        let bytes = [format!("{mode} {name}\0").as_bytes(), id].concat();
        std::fs::write(repo.path().join("tree"), bytes).unwrap();
        repo.git(&["hash-object", "-t", "tree", "-w", "--literally", "tree"]).trim().to_owned()
    };
    for (name, file) in [("..", "main.tf"), (".", "main.tf"), ("a/b", "main.tf")] {
        let inner = tree(file, "100644", &id);
        let inner: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&inner[at..at + 2], 16).unwrap()).collect();
        let top = tree(name, "40000", &inner);
        let commit = repo.git(&["commit-tree", "-m", "odd", &top]).trim().to_owned();
        repo.git(&["update-ref", "refs/heads/odd", &commit]);
        repo.git(&["update-server-info"]);
        serve_folder(&files, &repo.path().join(".git"), "/a.git");
        let world = World::new(&[format!("{}/a", files.host())]);
        let found = world.fetch(&format!("git::{}?ref=odd", files.url("/a.git"))).await;
        let found = found.and_then(|fetched| fetched.files.list("."));
        assert_eq!(found.map_err(|fault| fault.code()), Err(Code::GIT_OBJECT), "{name}");
    }
}

/// Every file of a folder, as it is.
fn serve_folder(files: &FileServer, folder: &Path, at: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{at}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            serve_folder(files, &entry.path(), &path);
        } else {
            files.put(&path, std::fs::read(entry.path()).unwrap());
        }
    }
}

#[tokio::test]
async fn mirrors_of_an_earlier_runner_make_room_as_well() {
    let (one, two) = (Modules::new(None), Modules::new(None));
    let dir = tempfile::tempdir().unwrap();
    let allow: Vec<SourcePattern> =
        [one.place(), two.place()].iter().map(|text| SourcePattern::parse(text).unwrap()).collect();
    for modules in [&one, &two] {
        let mut settings = Settings::new(dir.path());
        settings.limits.mirrors = 1;
        let sources = Sources::open(settings).unwrap();
        let source = RemoteSource::parse(&modules.source("?ref=v1")).unwrap();
        let order = Order { source: &source, allow: &allow, default_registry: "x.example", scope: "run" };
        sources.fetch(order).await.unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("git")).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn mirrors_have_a_limit_in_bytes_together() {
    let (one, two) = (Modules::new(None), Modules::new(None));
    let world = World::with(&[one.place(), two.place()], |settings| settings.limits.mirrors_bytes = 1);
    world.fetch(&one.source("?ref=v1")).await.unwrap();
    world.fetch(&two.source("?ref=v1")).await.unwrap();
    assert_eq!(std::fs::read_dir(world.dir.path().join("git")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_a_registry_says_is_the_version_is_one() {
    let files = FileServer::start();
    registry(&files, "/d/a.tgz");
    let versions = r#"{"modules":[{"versions":[{"version":"9.0.0+/../../../../../../secret?x="}]}]}"#;
    files.put("/api/modules/acme/vpc/aws/versions", versions);
    let world = World::new(&[format!("{}/**", files.host())]);
    assert_eq!(world.code(&format!("tfr://{}/acme/vpc/aws", files.host())).await, Code::SOURCE_FETCH);
    assert!(files.asked().iter().all(|asked| !asked.path.contains("secret")));
}

#[tokio::test]
async fn a_host_that_redirects_slowly_has_no_more_time_than_one_that_does_not() {
    let files = FileServer::start();
    for hop in 0..5 {
        files.slow(&format!("/m/{hop}.zip"), Duration::from_millis(400));
        files.redirect(&format!("/m/{hop}.zip"), &format!("{}.zip", hop + 1));
    }
    files.put("/m/5.zip", zip(&[("main.tf", "")]));
    let world = World::with(&[format!("{}/m/*", files.host())], |settings| {
        settings.limits.time = Duration::from_millis(1000);
    });
    assert_eq!(world.code(&files.url("/m/0.zip")).await, Code::SOURCE_FETCH);
    assert!(!files.asked().iter().any(|asked| asked.path == "/m/5.zip"));
}
