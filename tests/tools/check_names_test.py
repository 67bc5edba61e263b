# SPDX-License-Identifier: Apache-2.0
"""tools/check_names.py on planted trees."""
import unittest

from planted_tree import PlantedTree

from check_names import check_tree

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
BPF = """// SPDX-License-Identifier: GPL-2.0
const volatile struct cpu_config_type cpu_config;
struct { int x; } cpu_counts SEC(".maps");
SEC("perf_event") int cpu_on_tick(void *ctx) { return 0; }
char cpu_license[] SEC("license") = "GPL";
"""


class CheckNames(PlantedTree):
    def test_accepts_what_follows_the_rules(self):
        self.plant("base/unique_fd.h", SPDX)
        self.plant("tools/run", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.plant("bpf/cpu_sampler.bpf.c", BPF)
        self.assertEqual(check_tree(self.root), [])

    def test_finds_a_file_name_in_camel_case(self):
        self.plant("base/UniqueFd.h", SPDX)
        self.assert_only(check_tree(self.root), "base/UniqueFd.h", "snake_case")

    def test_finds_a_folder_that_explains_nothing(self):
        self.plant("userspace/utils/a.h", SPDX)
        self.assert_only(check_tree(self.root), "utils/")

    def test_finds_a_missing_licence_line(self):
        self.plant("base/a.h", "#pragma once\n" + SPDX)
        self.plant("tools/run", "#!/bin/sh\n")
        self.assertEqual(len(check_tree(self.root)), 2)

    def test_finds_a_map_name_that_the_kernel_would_cut(self):
        self.plant("bpf/cpu_sampler.bpf.c", BPF.replace("cpu_counts", "cpu_counts_of_all"))
        self.assert_only(check_tree(self.root), "cpu_counts_of_all", "17 characters")

    def test_finds_a_global_without_a_prefix(self):
        self.plant("bpf/cpu_sampler.bpf.c", BPF.replace(" cpu_config;", " config;"))
        self.assert_only(check_tree(self.root), "config: maps and globals")

    def test_finds_a_program_that_does_not_name_its_event(self):
        self.plant("bpf/cpu_sampler.bpf.c", BPF.replace("cpu_on_tick", "cpu_sample"))
        self.assert_only(check_tree(self.root), "program cpu_sample")

    def test_finds_a_program_with_another_prefix(self):
        other = 'SEC("tp_btf/exit") int BPF_PROG(proc_on_exit, void *p) { return 0; }\n'
        self.plant("bpf/cpu_sampler.bpf.c", BPF + other)
        self.assert_only(check_tree(self.root), "program proc_on_exit", "cpu_")

    def test_finds_objects_that_libbpf_cannot_tell_apart(self):
        for name in ("cpu_sampler", "cpu_sampling"):
            self.plant(f"bpf/{name}.bpf.c", BPF)
        self.assert_only(check_tree(self.root), "bpf/cpu_sampling.bpf.c", "bpf/cpu_sampler.bpf.c")

    def test_finds_a_note_without_an_issue(self):
        self.plant("base/a.h", SPDX + "// TO" "DO: later\n// TO" "DO(#12): tracked\n")
        self.assert_only(check_tree(self.root), "line 2")

    def test_finds_the_path_of_a_machine(self):
        machines = "/".join(("", "home", "jane", "waggle"))
        anyones = "/".join(("$HOME", "work", "x"))
        self.plant("README.md", f"See {machines}, or ~/.cache and {anyones}.\n")
        self.assert_only(check_tree(self.root), "README.md", "absolute path")

    def test_finds_a_file_that_is_too_big_for_git(self):
        self.plant("docs/picture.svg", "x" * 400_001)
        self.assert_only(check_tree(self.root), "400001 bytes")


if __name__ == "__main__":
    unittest.main()
