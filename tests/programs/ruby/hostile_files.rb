# SPDX-License-Identifier: Apache-2.0
# Methods of files whose names hold what rbspy prints: separators, counts, newlines, escapes.  The
# argument: a directory for them.

FILES = [
  "one;recursion;main 100000",
  "two.rb:1\nrecursion;forged - x.rb:1 99999\nrecursion;forged 88888",
  "three\r\e[31mforged",
  "four" * 60,
  "five 42",
].freeze

FILES.each_with_index do |name, number|
  path = File.join(ARGV[0], name)
  File.write(path, "def spend_#{number}\n  i = 0\n  i += 1 while i < 50_000\nend\n")
  load(path)
end

$stdout.sync = true
puts "ready"
FILES.each_index { |number| send("spend_#{number}") } while true
