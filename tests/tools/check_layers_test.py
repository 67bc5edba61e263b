# SPDX-License-Identifier: Apache-2.0
"""tools/check_layers.py on planted trees."""
import unittest

from planted_tree import PlantedTree

from check_layers import check_tree


class CheckLayers(PlantedTree):
    def test_accepts_includes_that_point_downwards(self):
        self.plant("base/a.h", "#include <vector>\n")
        self.plant("symbolizer/b.h", '#include "base/a.h"\n#include "bpf/abi/c.h"\n')
        self.plant("userspace/cli/d.cpp", '#include "userspace/output/e.h"\n')
        self.plant("userspace/agent.cpp", '#include "userspace/remote/e.h"\n')
        self.plant("bpf/f.bpf.c", '#include "vmlinux/vmlinux.h"\n#include <bpf/bpf_helpers.h>\n')
        self.assertEqual(check_tree(self.root), [])

    def test_finds_an_include_that_points_upwards(self):
        self.plant("base/a.h", '#include "symbolizer/b.h"\n')
        self.assert_only(check_tree(self.root), "base/a.h", "symbolizer")

    def test_finds_an_include_between_siblings(self):
        self.plant("userspace/output/a.cpp", '  #  include "userspace/remote/b.h"\n')
        self.assert_only(check_tree(self.root), "userspace/output", "userspace/remote")

    def test_finds_kernel_code_that_includes_user_space(self):
        self.plant("bpf/a.bpf.c", '#include "base/bytes.h"\n')
        self.assert_only(check_tree(self.root), "bpf may not include base")

    def test_finds_libbpf_below_its_layers(self):
        self.plant("symbolizer/a.cpp", "#include <bpf/libbpf.h>\n")
        self.assert_only(check_tree(self.root), "symbolizer/a.cpp", "bpf/libbpf.h")

    def test_allows_spdlog_in_the_log_alone(self):
        self.plant("base/log.cpp", "#include <spdlog/logger.h>\n")
        self.plant("userspace/cli/record.cpp", "#include <spdlog/logger.h>\n")
        self.assert_only(check_tree(self.root), "userspace/cli/record.cpp", "base/log.cpp")

    def test_finds_a_skeleton_in_two_files(self):
        for name in "ab":
            self.plant(f"userspace/samplers/{name}.cpp", '#include "skel/cpu_sampler.skel.h"\n')
        self.assert_only(check_tree(self.root), "skel/cpu_sampler.skel.h", "more than one file")

    def test_finds_a_skeleton_in_a_header(self):
        self.plant("userspace/samplers/a.h", '#include "skel/cpu_sampler.skel.h"\n')
        self.assert_only(check_tree(self.root), "a header includes the skeleton")

    def test_finds_a_skeleton_outside_the_samplers(self):
        self.plant("userspace/cli/a.cpp", '#include "skel/cpu_sampler.skel.h"\n')
        self.assert_only(check_tree(self.root), "userspace/cli may not include skel")

    def test_finds_an_included_source_file(self):
        self.plant("tests/unit/a_test.cpp", '#include "base/file.cpp"\n')
        self.assert_only(check_tree(self.root), "source file base/file.cpp")

    def test_finds_an_include_that_is_not_from_the_root(self):
        self.plant("base/a.cpp", '#include "a.h"\n')
        self.assert_only(check_tree(self.root), "from the root")

    def test_finds_a_folder_without_a_row(self):
        self.plant("userspace/extras/a.cpp", "")
        self.plant("more/b.cpp", "")
        self.assertEqual(len(check_tree(self.root)), 2)

    def test_finds_kernel_code_in_user_space(self):
        self.plant("userspace/samplers/a.bpf.c", "")
        self.assert_only(check_tree(self.root), "outside bpf/")


if __name__ == "__main__":
    unittest.main()
