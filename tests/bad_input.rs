//! Every folder below `bad_input/` is a mistake that somebody can make, and what genhost says about it. A new case is a new
//! folder: a `case.yaml`, the files that are wrong, and the standard error that insta keeps beside them.
//!
//! A case runs in a directory with a good cluster.yaml and good secrets, its own files laid over them. Each ends with its
//! exit code, without a panic, and with every file of the directory as it was.

mod fixture;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixture::Workplace;
use insta::Settings;
use serde::Deserialize;
use walkdir::WalkDir;

const CLUSTER: &str = "\
name: swarm0
stack: classic
os: ubuntu-22.04
vpn:
  endpoint: vpn.test
  network: 192.168.30.0/24
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
hosts:
  node0: {roles: [vpn-server, swarm-manager], vpn_address: 192.168.30.2}
  node1: {roles: [swarm-agent]}
";

/// A `case.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    /// What genhost is asked.
    arguments: Vec<String>,
    /// What the shell is asked instead, in a mount namespace of its own.
    shell: Option<String>,
    /// Shell commands that prepare the directory.
    setup: String,
    /// Exit code.
    code: i32,
    /// Whether the fault is in a line of a file.
    place: bool,
    /// Whether something is printed nevertheless.
    prints: bool,
}

impl Default for Case {
    fn default() -> Self {
        let arguments = ["--host", "node0"].map(str::to_owned).to_vec();
        Self { arguments, shell: None, setup: String::new(), code: 1, place: true, prints: false }
    }
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("case.yaml")).expect("a case.yaml");
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    }

    fn command_line(&self) -> String {
        self.shell.clone().unwrap_or_else(|| format!("genhost {}", self.arguments.join(" ")))
    }

    /// Runs it; a run that hangs ends with code 124.
    fn run(&self, workplace: &Workplace) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_genhost"));
        let path =
            std::env::join_paths([program.parent().expect("a folder"), Path::new("/usr/bin"), Path::new("/bin")]);
        let mut command = Command::new("timeout");
        command.args(["20", "unshare", "--mount"]);
        match &self.shell {
            Some(shell) => command.args(["sh", "-euc", shell]),
            None => command.arg(program).args(&self.arguments),
        };
        command.env("PATH", path.expect("a PATH")).current_dir(workplace).stdin(Stdio::null());
        command.output().expect("timeout and unshare: run `.ci/setup`, as root")
    }
}

/// The case's own files, over good ones.
fn lay_out(folder: &Path, case: &Case) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("cluster.yaml", CLUSTER);
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.expect("the folder is readable");
        let name = entry.path().strip_prefix(folder).expect("below the folder").display().to_string();
        if entry.file_type().is_file()
            && name != "case.yaml"
            && !name.ends_with(".snap")
            && !name.ends_with(".snap.new")
        {
            workplace.write(&name, std::fs::read(entry.path()).expect("a file"));
        }
    }
    let setup = Command::new("sh").args(["-euc", &case.setup]).current_dir(&workplace).status().expect("sh");
    assert!(setup.success(), "{}: setup: {setup}", folder.display());
    workplace
}

/// Mode and content of everything below a directory, links unfollowed.
type Files = BTreeMap<PathBuf, (u32, Option<Vec<u8>>)>;

fn files(workplace: &Workplace) -> Files {
    let entries = WalkDir::new(workplace).into_iter().map(|entry| entry.expect("the directory is readable"));
    let files = entries.map(|entry| {
        let path = entry.path().to_owned();
        let content = entry.file_type().is_file().then(|| std::fs::read(&path).expect("a file"));
        let target = || std::fs::read_link(&path).ok().map(|target| target.into_os_string().into_encoded_bytes());
        let mode = entry.metadata().expect("metadata").permissions().mode();
        (path.clone(), (mode, content.or_else(target)))
    });
    files.collect()
}

/// Whether a text has ` --> file:line:column`.
fn has_place(text: &str) -> bool {
    let places = text.lines().filter_map(|line| line.trim_start().strip_prefix("--> "));
    places.filter(|place| place.rsplitn(3, ':').take(2).all(|number| number.parse::<u32>().is_ok())).count() > 0
}

/// What is wrong with how a mistake was told; insta looks at the words.
fn faults(case: &Case, code: Option<i32>, stdout: &str, stderr: &str) -> Vec<String> {
    let facts = [
        (code == Some(case.code), format!("exit code {code:?}")),
        (!stderr.contains("panicked"), "a panic".to_owned()),
        (has_place(stderr) == case.place, format!("place: {}", has_place(stderr))),
        (case.prints || stdout.is_empty(), format!("{} bytes on standard output", stdout.len())),
    ];
    facts.into_iter().filter(|(is_fine, _)| !is_fine).map(|(_, fault)| fault).collect()
}

/// Files that are not what they were.
fn changes(before: &Files, after: &Files) -> Vec<String> {
    let lost = before.iter().filter(|(path, was)| after.get(*path) != Some(was)).map(|(path, _)| path);
    let new = after.keys().filter(|path| !before.contains_key(*path));
    lost.chain(new).map(|path| format!("{} changed, vanished or appeared", path.display())).collect()
}

#[test]
fn every_mistake_is_told_clearly_and_costs_no_file() {
    let mut wrong = Vec::new();
    insta::glob!("bad_input/*", |folder| {
        let case = Case::read(folder);
        let workplace = lay_out(folder, &case);
        let before = files(&workplace);
        let output = case.run(&workplace);

        let directory = workplace.path("").display().to_string();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&directory, "/directory/");
        let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
        let faults = faults(&case, output.status.code(), &stdout, &stderr);
        let faults = faults.into_iter().chain(changes(&before, &files(&workplace)));
        wrong.extend(faults.map(|fault| format!("{}: {fault}", folder.display())));

        let told = if case.prints { format!("{stderr}--- standard output\n{stdout}") } else { stderr };
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_snapshot_suffix();
        settings.set_description(case.command_line());
        settings.bind(|| insta::assert_snapshot!("stderr", told));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What resembles a mistake above and is none.
#[test]
fn what_only_looks_like_a_mistake_works() {
    let merged = CLUSTER.replace("node1: {", "node1: &one {") + "  node2: {<<: *one}\n  node3: *one\n";
    let workplace = Workplace::new();
    workplace.write("cluster.yaml", merged);
    let plain = workplace.genhost(["--host", "node2"]).stdout_of_success();
    for shell in [
        "genhost --host node2 -f <(cat cluster.yaml)",
        "genhost --host node2 -f /dev/stdin <cluster.yaml",
        "cat cluster.yaml | genhost --host node2 -f -",
        "genhost --host node2 --secrets <(cat secrets.yaml)",
        "genhost --host node2 -o /dev/stdout | cat",
        "genhost --host node2 -o out && genhost --host node2 -o out && cat out",
        "genhost --host node2 -o >(cat) && wait $!",
        "ln -s there link && genhost --host node2 -o link && test -L link && genhost --host node2 -o link && cat there",
        "mkdir -p deep && ln -s deep way && genhost --host node2 -o way/../way/out && cat deep/out",
        "mkfifo pipe && { cat pipe & genhost --host node2 -o pipe && wait; }",
    ] {
        let path = Path::new(env!("CARGO_BIN_EXE_genhost")).parent().expect("a folder").display();
        let path = format!("PATH={path}:/usr/bin:/bin");
        let output = Command::new("env").args([&path, "bash", "-c", shell]).current_dir(&workplace).output();
        let output = output.expect("env");
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), plain, "{shell}");
    }
}

/// A workplace whose folder `shared` is for everybody, as /tmp is, and what is in it made by the user nobody.
fn shared(mode: &str, plant: &str) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("cluster.yaml", CLUSTER);
    let script = format!(
        "chmod 755 .; mkdir stolen; chmod 777 stolen; mkdir shared; chown root:nogroup shared; chmod {mode} shared; cd shared
         setpriv --reuid nobody --regid nogroup --clear-groups sh -euc '{plant}'"
    );
    let output = Command::new("sh").args(["-euc", &script]).current_dir(&workplace).output().expect("sh");
    assert!(output.status.success(), "{plant}: {}", String::from_utf8_lossy(&output.stderr));
    workplace
}

#[test]
fn what_another_user_has_put_in_the_way_gets_no_output() {
    for (mode, plant) in [
        ("1777", "ln -s ../stolen/out out"),
        ("777", "ln -s ../stolen/out out"),
        ("775", "ln -s ../stolen/out out"),
        ("1777", "mkfifo out"),
        ("775", "mkfifo out"),
        ("1777", "mkdir out"),
        ("1777", "mkdir out; ln -s ../../stolen/out out/out"),
        ("1777", "ln -s ../stolen hop; ln -s hop/out out"),
    ] {
        let workplace = shared(mode, plant);
        let before = files(&workplace);
        for arguments in [
            &["--host", "node0", "-o", "shared/out"][..],
            &["image", "--host", "node0", "--format", "seed", "-o", "shared/out"],
            &["image", "--host", "node0", "--format", "dir", "-o", "shared/out"],
            &["image", "--host", "node0", "--format", "raw", "-o", "shared/out"],
            &["vagrant", "--all", "-o", "shared/out"],
            &["graph", "-o", "shared/out"],
            &["build", "-o", "shared/out"],
            &["build", "-o", "shared/out/result"],
            &["terraform", "-o", "shared/out", "--set", "hosts.node1.platform=hetzner"],
            &["mirror", "shared/out"],
        ] {
            let output = Command::new("timeout")
                .arg("20")
                .arg(env!("CARGO_BIN_EXE_genhost"))
                .args(arguments)
                .env("XDG_CACHE_HOME", workplace.path("cache"))
                .current_dir(&workplace)
                .output()
                .expect("timeout");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{plant}: {arguments:?}: {said}");
            assert!(said.contains("another user (uid 65534)"), "{plant}: {arguments:?}: {said}");
            assert_eq!(changes(&before, &files(&workplace)), Vec::<String>::new(), "{plant}: {arguments:?}");
        }
    }
}

#[test]
fn a_shared_folder_takes_an_output_where_nothing_is_in_the_way() {
    let workplace = shared("1777", "echo old >mine");
    let say = |shell: &str| {
        let path = Path::new(env!("CARGO_BIN_EXE_genhost")).parent().expect("a folder").display();
        let output = Command::new("env")
            .args([&format!("PATH={path}:/usr/bin:/bin"), "bash", "-euc", shell])
            .current_dir(&workplace)
            .output()
            .expect("bash");
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    say("umask 0; genhost --host node0 -o shared/new; genhost build -o shared/result");
    assert_eq!(say("stat -c '%a %U' shared/new shared/result"), "600 root\n700 root\n");
    // Nobody does not get what root has written, nor through a pipe or a link of root's; its own it replaces.
    say("mkfifo shared/pipe; ln -s ../stolen/followed shared/link; cp secrets.yaml theirs; chown nobody theirs
         export PATH; g() { timeout 20 setpriv --reuid nobody --clear-groups genhost --secrets theirs --host node0 -o \"$@\"; }
         g shared/mine; g shared/link; ! g shared/new 2>/dev/null");
    assert_eq!(say("stat -c '%a %U' shared/mine stolen/followed shared/new"), "600 nobody\n600 nobody\n600 root\n");
    // What nobody holds open is not what root writes.
    let shared = shared("775", "echo old >out; chmod 666 out");
    let output = Command::new("bash")
        .args(["-euc", "exec 9<>shared/out; \"$0\" --host node0 -o shared/out; cat <&9; stat -c '%a %U' shared/out"])
        .arg(env!("CARGO_BIN_EXE_genhost"))
        .current_dir(&shared)
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "old\n600 root\n");
}
