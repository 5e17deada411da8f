"""What the published crates promise about themselves: files, versions, dependencies, the oldest Rust.

`crates.py check` checks it and exits 1 if a promise is broken.
`crates.py rust-version` prints the oldest Rust that is supported.
`crates.py docs-rs CRATE` prints the arguments that docs.rs adds to cargo, one a line.
"""

import json
import os
import subprocess
import sys

# In the order in which they are published: each needs those before it.
CRATES = ["owngil-ffi", "owngil", "owngil-cli"]
# Each package is complete by itself; docs-rs-python.txt is what docs.rs builds with.
REQUIRED = ["Cargo.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT", "build.rs", "docs-rs-python.txt"]
# Files for development only, in a checkout.
DEVELOPMENT = ("tests/", "benches/", "tools/", ".")
PACKED_BY_CARGO = ".cargo_vcs_info.json"
# How many crates a program gets by depending on owngil, itself included.
MOST_CRATES = 40


def cargo(*arguments):
    command = [os.environ.get("CARGO", "cargo"), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def metadata():
    described = json.loads(cargo("metadata", "--format-version", "1", "--locked"))
    packages = {package["id"]: package for package in described["packages"]}
    ours = {packages[member]["name"]: packages[member] for member in described["workspace_members"]}
    return packages, ours


def crates_in(crate, edges):
    """The ids, as `cargo tree` prints them, of a crate and all that it needs on this platform."""
    tree = cargo("tree", "--locked", "-p", crate, "-e", edges, "--prefix", "none", "--no-dedupe", "-f", "{p}")
    return {tuple(line.split()[:2]) for line in tree.splitlines() if line}


def release(version):
    return tuple(int(part) for part in (version.split("-")[0] + ".0.0").split(".")[:3])


def wrong_files(crate):
    files = cargo("package", "-p", crate, "--list", "--allow-dirty", "--locked").split()
    for file in REQUIRED:
        if file not in files:
            yield f"{crate}: the package lacks {file}"
    for file in files:
        if file.startswith(DEVELOPMENT) and file != PACKED_BY_CARGO:
            yield f"{crate}: the package has {file}, which is for development"


def wrong_versions(ours):
    for crate in ours:
        if (crate in CRATES) != (ours[crate]["publish"] != []):
            yield f"{crate}: `publish` in its Cargo.toml and the list in tools/crates.py disagree"
    for crate in CRATES:
        for needed in ours[crate]["dependencies"]:
            name = needed["name"]
            if name in CRATES and needed["req"] != "=" + ours[name]["version"]:
                yield f"{crate}: requires {name} {needed['req']}, not exactly {ours[name]['version']}"


def too_many_crates():
    crates = crates_in("owngil", "normal")
    print(f"a program that depends on owngil gets {len(crates)} crates (at most {MOST_CRATES})")
    if len(crates) > MOST_CRATES:
        yield f"owngil: {len(crates)} crates are more than {MOST_CRATES}: " + ", ".join(sorted(c for c, _ in crates))


def too_new_for_oldest_rust(packages, ours):
    known = {(package["name"], "v" + package["version"]): package for package in packages.values()}
    oldest = release(ours["owngil"]["rust_version"])
    needed = set().union(*(crates_in(crate, "normal,build") for crate in CRATES))
    for crate in sorted(needed):
        version = known[crate]["rust_version"]
        if version and release(version) > oldest:
            yield f"{' '.join(crate)}: needs Rust {version}, and owngil promises {ours['owngil']['rust_version']}"
    print(f"{len(needed)} crates are built for the command; none may need a Rust later than the promised one")


def check():
    packages, ours = metadata()
    broken = [*(wrong for crate in CRATES for wrong in wrong_files(crate)), *wrong_versions(ours)]
    broken += [*too_many_crates(), *too_new_for_oldest_rust(packages, ours)]
    for promise in broken:
        print(f"error: {promise}", file=sys.stderr)
    return 1 if broken else 0


def main(arguments):
    match arguments:
        case ["check"]:
            return check()
        case ["rust-version"]:
            print(metadata()[1]["owngil"]["rust_version"])
        case ["docs-rs", crate]:
            settings = metadata()[1][crate]["metadata"]["docs"]["rs"]
            features = ["--all-features"] if settings.get("all-features") else []
            print(*features, *settings.get("cargo-args", []), sep="\n")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
