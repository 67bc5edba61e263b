# SPDX-License-Identifier: Apache-2.0
"""tools/check_core_fields.py on a small kernel of our own, compiled to BTF."""
import subprocess
import unittest

from planted_tree import PlantedTree

from check_core_fields import Btf, Header, check_header

KERNEL = """
typedef struct { int counter; } atomic_t;
enum color { RED = 1, GREEN = 2 };
struct regs { long ax; union { short cs; long csx; }; };
struct task {
  long padding;
  int pid;
  struct { union { void *stack; long words; }; };
  struct task *parent;
  char comm[16];
  unsigned flag : 1;
};
struct task task; struct regs regs; enum color color; atomic_t atomic;
"""
RELOCATED = """
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
%s
#pragma clang attribute pop
"""


class CheckCoreFields(PlantedTree):
    def check(self, header, guarded=frozenset()):
        source = self.plant("kernel.c", KERNEL)
        subprocess.run(["clang-19", "-g", "--target=bpf", "-c", source, "-o",
                        self.root / "kernel.o"], check=True)
        return check_header(Header(self.plant("vmlinux.h", header)), Btf(self.root / "kernel.o"),
                            guarded)

    def test_accepts_a_subset_in_any_order(self):
        report = self.check("typedef struct {\n  int counter;\n} atomic_t;\n"
                            "enum color {\n  GREEN = 2,\n};\n" + RELOCATED % """
struct task {
  char comm[16];
  struct task* parent;
  void* stack; /* in an anonymous union */
  int pid;
};""")
        self.assertEqual(report.complaints, [])
        self.assertEqual(report.checked, 7)

    def test_finds_a_field_that_the_kernel_lacks(self):
        report = self.check(RELOCATED % "struct task {\n  int tgid;\n};")
        self.assert_only(report.complaints, "struct task has no field tgid")

    def test_finds_a_field_of_another_size(self):
        report = self.check(RELOCATED % "struct task {\n  long pid;\n};")
        self.assert_only(report.complaints, "task.pid is int of 32 bits, not int of 64 bits")

    def test_finds_a_field_of_another_kind(self):
        report = self.check(RELOCATED % "struct task {\n  long parent;\n};")
        self.assert_only(report.complaints, "task.parent is ptr")

    def test_finds_a_struct_that_the_kernel_lacks(self):
        report = self.check("struct job {\n  int pid;\n};")
        self.assert_only(report.complaints, "struct job: the kernel has none")

    def test_finds_an_offset_that_nothing_relocates(self):
        report = self.check("struct task {\n  int pid;\n};")
        self.assert_only(report.complaints, "task.pid lies at bit 64, not 0")

    def test_accepts_a_field_that_became_a_union(self):
        report = self.check("struct regs {\n  long ax;\n  long cs;\n};")
        self.assertEqual(report.complaints, [])

    def test_finds_enumerators_that_are_absent_or_differ(self):
        report = self.check("enum color {\n  RED = 1,\n  GREEN = 3,\n  BLUE = 4,\n};")
        self.assertEqual(report.complaints, ["GREEN is 2, not 3", "enum color has no BLUE"])

    def test_finds_a_wrong_number_in_an_anonymous_enum(self):
        report = self.check("enum {\n  RED = 7,\n  A_MACRO = 3,\n};")
        self.assert_only(report.complaints, "RED is 1, not 7")

    def test_lets_a_flavour_lack_a_field_and_says_so(self):
        report = self.check(RELOCATED % "struct task___old {\n  int pid;\n  int state;\n};")
        self.assertEqual(report.complaints, [])
        self.assertEqual(report.absent, ["struct task___old.state"])

    def test_does_not_compare_the_relocated_values_of_a_flavour(self):
        report = self.check("enum color___any {\n  GREEN,\n  RED,\n  BLUE,\n};")
        self.assertEqual(report.complaints, [])
        self.assertEqual(report.absent, ["enum color___any: BLUE"])

    def test_lets_a_guarded_enumerator_be_absent(self):
        report = self.check("enum color {\n  BLUE = 4,\n};", guarded={"BLUE"})
        self.assertEqual(report.complaints, [])
        self.assertEqual(report.absent, ["enum color: BLUE"])


if __name__ == "__main__":
    unittest.main()
