// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/frame_text.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace waggle {
namespace {

struct Case {
  PythonFrameNames names;
  std::string text;
};

std::ostream& operator<<(std::ostream& out, const Case& wanted) {
  return out << wanted.text;
}

class PythonFrameText : public ::testing::TestWithParam<Case> {};

TEST_P(PythonFrameText, is_as_pyperf_prints_it) {
  EXPECT_EQ(python_frame_text(GetParam().names), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Library, PythonFrameText,
    ::testing::Values(
        Case{{"/usr/lib/python3.11/threading.py", "Thread.run", 964},
             "threading.Thread.run (/usr/lib/python3.11/threading.py:964)_[p]"},
        Case{{"/usr/lib/python3.11/json/decoder.py", "JSONDecoder.decode", 332},
             "json.decoder.JSONDecoder.decode (/usr/lib/python3.11/json/decoder.py:332)_[p]"},
        Case{{"/usr/lib/python2.7/Queue.py", "Queue.get", 150},
             "Queue.Queue.get (/usr/lib/python2.7/Queue.py:150)_[p]"},
        Case{{"/usr/local/lib/python3.9/site-packages/yaml/scanner.py", "Scanner.peek", 9},
             "yaml.scanner.Scanner.peek "
             "(/usr/local/lib/python3.9/site-packages/yaml/scanner.py:9)_[p]"},
        Case{{"/usr/lib/python3/dist-packages/apt/cache.py", "f", 1},
             "apt.cache.f (/usr/lib/python3/dist-packages/apt/cache.py:1)_[p]"},
        Case{{"/opt/venv/lib64/python3.12/site-packages/a.py", "f", 1},
             "a.f (/opt/venv/lib64/python3.12/site-packages/a.py:1)_[p]"},
        Case{{"/opt/lib32/python3.12/a.py", "f", 1}, "a.f (/opt/lib32/python3.12/a.py:1)_[p]"},
        // Free-threaded builds have a letter.
        Case{{"/usr/lib/python3.14t/site-packages/a/b.py", "f", 1},
             "a.b.f (/usr/lib/python3.14t/site-packages/a/b.py:1)_[p]"},
        // The last one counts: a virtual environment below another Python's library.
        Case{{"/usr/lib/python3.11/venvs/x/lib/python3.11/site-packages/a.py", "f", 1},
             "a.f (/usr/lib/python3.11/venvs/x/lib/python3.11/site-packages/a.py:1)_[p]"},
        Case{{"/usr/lib/python3.11/json/__init__.py", "loads", 299},
             "json.__init__.loads (/usr/lib/python3.11/json/__init__.py:299)_[p]"},
        Case{{"/usr/lib/python3.11/unittest/__main__.py", "<module>", 1},
             "unittest.__main__.<module> (/usr/lib/python3.11/unittest/__main__.py:1)_[p]"},
        Case{{"/usr/lib/python3.6/a.pyc", "f", 1}, "a.f (/usr/lib/python3.6/a.pyc:1)_[p]"},
        Case{{"/usr/lib/python2.7/a.pyo", "f", 1}, "a.f (/usr/lib/python2.7/a.pyo:1)_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    NoLibrary, PythonFrameText,
    ::testing::Values(Case{{"/app/lister.py", "Burner.burner", 7},
                           "app.lister.Burner.burner (/app/lister.py:7)_[p]"},
                      Case{{"/srv/lib/tool.py", "f", 1}, "srv.lib.tool.f (/srv/lib/tool.py:1)_[p]"},
                      Case{{"/srv/python3.11/tool.py", "f", 1},
                           "srv.python3.11.tool.f (/srv/python3.11/tool.py:1)_[p]"},
                      Case{{"/srv/lib/python3-tools/a.py", "f", 1},
                           "srv.lib.python3-tools.a.f (/srv/lib/python3-tools/a.py:1)_[p]"},
                      Case{{"/srv/lib/python4/a.py", "f", 1},
                           "srv.lib.python4.a.f (/srv/lib/python4/a.py:1)_[p]"},
                      Case{{"/opt/site-packages/a.py", "f", 1},
                           "opt.site-packages.a.f (/opt/site-packages/a.py:1)_[p]"},
                      Case{{"main.py", "<module>", 1}, "main.<module> (main.py:1)_[p]"},
                      Case{{"tools/run.py", "f", 1}, "tools.run.f (tools/run.py:1)_[p]"},
                      Case{{"./tools/run.py", "f", 1}, "tools.run.f (./tools/run.py:1)_[p]"},
                      Case{{"../tools/run.py", "f", 1}, "tools.run.f (../tools/run.py:1)_[p]"},
                      Case{{"/app/bin/../tools//run.py", "f", 1},
                           "app.tools.run.f (/app/bin/../tools//run.py:1)_[p]"},
                      Case{{"/app/script", "<module>", 1},
                           "app.script.<module> (/app/script:1)_[p]"},
                      Case{{"/app/.py", "f", 1}, "app.f (/app/.py:1)_[p]"},
                      Case{{".py", "f", 1}, "f (.py:1)_[p]"}, Case{{"/", "f", 1}, "f (/:1)_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    Zip, PythonFrameText,
    ::testing::Values(Case{{"/usr/lib/python36.zip/os.py", "walk", 1},
                           "os.walk (/usr/lib/python36.zip/os.py:1)_[p]"},
                      Case{{"/app/bundle.zip/pkg/mod.pyc", "f", 1},
                           "pkg.mod.f (/app/bundle.zip/pkg/mod.pyc:1)_[p]"},
                      Case{{"bundle.zip/a.py", "f", 1}, "a.f (bundle.zip/a.py:1)_[p]"},
                      Case{{"/usr/lib/python3/dist-packages/x.zip/y.py", "f", 1},
                           "y.f (/usr/lib/python3/dist-packages/x.zip/y.py:1)_[p]"},
                      Case{{"/app/a.zip", "f", 1}, "app.a.zip.f (/app/a.zip:1)_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    NoFile, PythonFrameText,
    ::testing::Values(Case{{"<string>", "<module>", 1}, "<string>.<module> (<string>:1)_[p]"},
                      Case{{"<frozen importlib._bootstrap>", "_find_and_load", 1165},
                           "<frozen importlib._bootstrap>._find_and_load (<frozen "
                           "importlib._bootstrap>:1165)_[p]"},
                      Case{{"<made in a/b.py>", "f", 2},
                           "<made in a/b.py>.f (<made in a/b.py>:2)_[p]"},
                      Case{{"", "f", 12}, "f_[p]"}, Case{{"", "", 0}, "[unknown]_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    Names, PythonFrameText,
    ::testing::Values(Case{{"/a.py", "outer.<locals>.inner", 3},
                           "a.outer.<locals>.inner (/a.py:3)_[p]"},
                      Case{{"/a.py", "Café.résumé", 3}, "a.Café.résumé (/a.py:3)_[p]"},
                      Case{{"/путь/名.py", "имя", 3}, "путь.名.имя (/путь/名.py:3)_[p]"},
                      Case{{"/a.py", "", 3}, "a.[unknown] (/a.py:3)_[p]"},
                      Case{{"/a.py", "f", 0}, "a.f (/a.py)_[p]"},
                      Case{{"/a.py", "f", -1}, "a.f (/a.py)_[p]"},
                      // Outputs escape what they cannot hold; twice would be wrong.
                      Case{{"/a;b/c d.py", "f;g", 1}, "a;b.c d.f;g (/a;b/c d.py:1)_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    Cut, PythonFrameText,
    ::testing::Values(
        Case{{"…/opt/lib/python3.11/json/decoder.py", "f", 1},
             "json.decoder.f (…/opt/lib/python3.11/json/decoder.py:1)_[p]"},
        Case{{"…ython3.11/site-packages/yaml/scanner.py", "f", 1},
             "yaml.scanner.f (…ython3.11/site-packages/yaml/scanner.py:1)_[p]"},
        Case{{"…ong/folder/app.py", "f", 1}, "folder.app.f (…ong/folder/app.py:1)_[p]"},
        Case{{"…_name_of_a_file.py", "f", 1}, "…_name_of_a_file.f (…_name_of_a_file.py:1)_[p]"},
        Case{{"…", "f", 1}, "….f (…:1)_[p]"}));

INSTANTIATE_TEST_SUITE_P(
    Package, PythonFrameText,
    ::testing::Values(
        Case{{"/usr/lib/python3/dist-packages/yaml/scanner.py", "f", 1, "PyYAML==6.0"},
             "yaml.scanner.f (/usr/lib/python3/dist-packages/yaml/scanner.py:1 [PyYAML==6.0])_[p]"},
        Case{{"/usr/lib/python3.11/os.py", "f", 0, "standard-library==3.11.2"},
             "os.f (/usr/lib/python3.11/os.py [standard-library==3.11.2])_[p]"}));

}  // namespace
}  // namespace waggle
