// SPDX-License-Identifier: Apache-2.0
// What an executable file tells of itself: each is looked at once for all processes that map it.
// Nothing is run.  Not for what is a process' own: application_reader.h.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace waggle {

struct ApplicationFile {
  std::string arch;      // as pyelftools names it: "x64", "AArch64"; "": it is no ELF file
  std::string build_id;  // lower-case hexadecimal; "": none
  bool is_go = false;
  bool is_stripped = true;
  bool is_dynamic = false;
  std::string libc;        // "glibc", "musl"; "": static, or another
  std::string go_version;  // "go1.22.1"
  std::string python;      // "Python 3.11.2", of 3.11 and later
  std::string ruby;        // "ruby 3.1.2p20 (...)"
};

// "go1.22.1", of the section .go.buildinfo (Go 1.18 and later: the text is in it).
std::optional<std::string> parse_go_build_info(Bytes section);

// The one version of the texts "node.js/v20.1.2" in what is added; nothing where they differ.
class NodeVersionTexts {
 public:
  void add(Bytes data);
  [[nodiscard]] std::optional<std::string> only() const;

 private:
  std::string found_;
  bool are_several_ = false;
};

// One thread.  Bounded: those longest not asked for are forgotten.
class ApplicationFiles {
 public:
  static constexpr std::size_t kMaxFiles = 1024;

  // Of an open file, which is looked at where it is not known; nullptr when it is no regular one.
  const ApplicationFile* find(UniqueFd fd);
  // That of Node, which is larger than others: 30 ms, once.  "": not found.
  std::string find_node_version(UniqueFd fd);

 private:
  struct Key {
    dev_t device;
    ino_t inode;
    std::int64_t changed_ns;
    bool is_node;
    auto operator<=>(const Key&) const = default;
  };
  struct Known {
    ApplicationFile file;
    std::string node_version;
    std::list<Key>::iterator place;
  };
  Known* find_known(const Key& key);
  Known& remember(const Key& key);

  std::list<Key> order_;  // last used first
  std::map<Key, Known> known_;
};

}  // namespace waggle
