"""The SDK as an author gets it: installed, or as a Debian package, it builds the examples and their tests outside the
tree, with GCC and with clang, and the host takes what was built.

Usage: package_test.py SOURCE BUILD WORK [unittest's options]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE, BUILD, WORK = (pathlib.Path(argument) for argument in sys.argv[1:4])
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
HEADERS = sorted(str(path.relative_to(SOURCE / "sdk/include/broadcast"))
                 for path in (SOURCE / "sdk/include/broadcast").rglob("*.h*"))
# Not the launcher of the build around this, nor its sanitizers.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("CFLAGS", "CXXFLAGS", "LDFLAGS")}


def run(*command, cwd=None, expect=0):
    """Its output, both streams; fails unless it ends with `expect`."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=ENVIRONMENT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def configure(source, build, prefix, compiler, *options):
    c, cxx = COMPILERS[compiler]
    return ("cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}", *options)


def install(component):
    """Below a prefix of its own, and anew: a file that is not installed any more is not found."""
    prefix = WORK / f"installed-{component}"
    shutil.rmtree(prefix, ignore_errors=True)
    run("cmake", "--install", BUILD, "--component", component, "--prefix", prefix)
    return prefix


def copy_out(example):
    """Out of the tree, so that nothing of it is reached by accident."""
    source = WORK / "examples" / example
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(SOURCE / "sdk/examples" / example, source, ignore=shutil.ignore_patterns("build*"))
    return source


def package():
    """The Debian package, and the prefix below which it was unpacked."""
    made = WORK / "package"
    shutil.rmtree(made, ignore_errors=True)
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", made)
    debs = list(made.glob("*.deb"))
    if len(debs) != 1:
        raise AssertionError(f"expected one package, got {debs}")
    run("dpkg-deb", "-x", debs[0], made / "root")
    return debs[0], made / "root/usr"


class PackageTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        WORK.mkdir(parents=True, exist_ok=True)
        cls.installed = install("sdk")
        cls.deb, cls.unpacked = package()

    def build(self, compiler, prefix, *examples):
        for example in examples:
            build = WORK / compiler / example
            run(*configure(copy_out(example), build, prefix, compiler))
            run("cmake", "--build", build)
            tested = run("ctest", "--test-dir", build, "--no-tests=error", "--output-on-failure")
            self.assertIn("100% tests passed", tested)
            self.assert_unloadable(next(build.glob("lib*.so")))
            self.check_by_the_host(example, build)

    def assert_unloadable(self, library):
        symbols = run("nm", "--dynamic", "--defined-only", library).split()[1:]
        self.assertEqual(symbols[1:], ["bc_plugin_entry"], library)
        self.assertNotIn("u", symbols)

    def check_by_the_host(self, example, plugins):
        """The YAML of the README, with what was built."""
        readme = (SOURCE / "sdk/examples" / example / "README.md").read_text(encoding="utf-8")
        config = plugins / "host.yaml"
        config.write_text(f"plugins: {{directory: {plugins}}}\n{re.search('```yaml(.*?)```', readme, re.DOTALL)[1]}",
                          encoding="utf-8")
        said = run(os.environ["BROADCAST_HOST"], "--config", config, "--check")
        self.assertIn("good, 1 broadcasters on", said)

    def test_examples_build_and_pass_with_gcc_against_what_is_installed(self):
        self.build("gcc", self.installed, "signal", "polling", "c11")

    def test_examples_build_and_pass_with_clang_against_the_debian_package(self):
        self.build("clang", self.unpacked, "signal")

    def test_the_other_examples_compile_with_clang(self):
        for example, library in (("polling", "rates"), ("c11", "c_echo")):
            build = WORK / "clang" / example
            run(*configure(copy_out(example), build, self.unpacked, "clang"))
            run("cmake", "--build", build, "--target", library)
            self.assert_unloadable(build / f"lib{library}.so")
            self.check_by_the_host(example, build)

    def test_a_plugin_can_bring_its_own_runtime(self):
        source, build = copy_out("signal"), WORK / "gcc" / "static_runtime"
        lists = source / "CMakeLists.txt"
        text = lists.read_text(encoding="utf-8")
        lists.write_text(text.replace("jongga_signal.cpp)", "jongga_signal.cpp STATIC_RUNTIME)"), encoding="utf-8")
        run(*configure(source, build, self.installed, "gcc"))
        run("cmake", "--build", build, "--target", "jongga_signal")
        library = build / "libjongga_signal.so"
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "--dynamic", library))
        self.assertNotIn("libstdc++.so.6", needed)
        self.assert_unloadable(library)
        self.check_by_the_host("signal", build)

    def test_the_host_runs_where_it_is_installed(self):
        prefix = install("host")
        said = run(prefix / "bin/broadcast-host", "--config", prefix / "config/demo.yaml", "--check")
        self.assertIn("broadcasters on", said)
        run(prefix / "bin/broadcastctl", "plugin", "inspect", prefix / "plugins/libprice.so")

    def test_headers_warn_nobody_and_those_of_the_abi_stand_alone_in_c11(self):
        (WORK / "all.cpp").write_text("".join(f"#include <broadcast/{name}>\n" for name in HEADERS), encoding="utf-8")
        of_the_abi = []
        for name in [name for name in HEADERS if name.endswith(".h")]:
            of_the_abi.append(WORK / (name.replace("/", "_") + ".c"))
            of_the_abi[-1].write_text(f"#include <broadcast/{name}>\n", encoding="utf-8")
        strict = ("-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion",
                  "-Werror", f"-I{self.installed / 'include'}")
        for c, cxx in COMPILERS.values():
            run(c, "-std=c11", *strict, *of_the_abi)
            run(cxx, "-std=c++20", *strict, WORK / "all.cpp")

    def test_another_major_version_is_refused(self):
        project = WORK / "too_new"
        project.mkdir(exist_ok=True)
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(too_new CXX)\nfind_package(BroadcastSdk 2 REQUIRED)\n",
            encoding="utf-8")
        said = run(*configure(project, project / "build", self.installed, "gcc"), expect=1)
        self.assertRegex(said, r'compatible with requested version\s+"2"')

    def test_the_debian_package_holds_the_sdk_and_says_what_it_needs(self):
        listed = run("dpkg-deb", "-c", self.deb)
        files = {line.split(maxsplit=5)[5] for line in listed.splitlines() if not line.endswith("/")}
        cmake = "./usr/share/cmake/BroadcastSdk/"
        self.assertEqual(files, {f"./usr/include/broadcast/{name}" for name in HEADERS} | {
            cmake + name for name in ("BroadcastSdkConfig.cmake", "BroadcastSdkConfigVersion.cmake",
                                      "BroadcastSdkTargets.cmake", "BroadcastPlugin.cmake", "plugin.map")
        } | {f"./usr/share/doc/broadcast-sdk/{name}" for name in ("copyright", "plugins.md")} | {
            f"./usr/share/doc/broadcast-sdk/examples/{path.relative_to(SOURCE / 'sdk/examples')}"
            for path in (SOURCE / "sdk/examples").glob("*/*") if path.is_file()})
        documents = self.unpacked / "share/doc/broadcast-sdk"
        links = re.findall(r"\]\(([^)#]+)", (documents / "plugins.md").read_text(encoding="utf-8"))
        self.assertTrue(links)
        self.assertEqual([link for link in links if not (documents / link).exists()], [])
        header = (SOURCE / "sdk/include/broadcast/broadcaster.hpp").read_text(encoding="utf-8")
        version = re.search(r'kSdkVersion = "(.*)"', header)[1]
        self.assertEqual(self.deb.name, f"broadcast-sdk_{version}_all.deb")
        fields = run("dpkg-deb", "-f", self.deb, "Package", "Version", "Architecture", "Depends", "Recommends")
        self.assertEqual(fields.splitlines(),
                         ["Package: broadcast-sdk", f"Version: {version}", "Architecture: all",
                          "Depends: nlohmann-json3-dev", "Recommends: libgtest-dev, libgmock-dev"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
