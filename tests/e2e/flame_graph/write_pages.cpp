// SPDX-License-Identifier: Apache-2.0
// Writes the pages that the browser tests open: write_pages DIR.  Each is a profile of its own,
// rendered by the code that `record` uses.
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "userspace/output/flame_graph.h"

namespace waggle {
namespace {

using Frames = std::vector<std::string>;

void add(Profile& profile, std::string_view container, std::string_view comm, const Frames& frames,
         std::uint64_t count) {
  Profile::Stack stack{profile.intern(container), profile.intern(comm), {}};
  for (const std::string& frame : frames) {
    stack.frames.push_back(profile.intern(frame));
  }
  profile.add(stack, count);
}

PageFacts facts_of(const Profile& profile, std::string title) {
  PageFacts facts;
  facts.title = std::move(title);
  RecordingFacts& recording = facts.recording;
  recording.version = "0.1.0";
  recording.kernel = "6.18.0";
  recording.start_time = 1'767'225'600;
  recording.end_time = 1'767'225'610;
  recording.engine = "ebpf";
  recording.event = "cpu-clock";
  recording.frequency = 99;
  recording.duration_s = 10;
  recording.lost = {{"ring full", 12}, {"table full", 3}};
  recording.samples = profile.total() + 15;
  recording.truncated = 7;
  return facts;
}

// Known numbers: 1,000 samples.
Profile known_profile() {
  Profile profile;
  add(profile, "", "app", {"_start", "main", "parse_input", "read_line", "memchr"}, 200);
  add(profile, "", "app", {"_start", "main", "parse_input"}, 50);
  add(profile, "", "app", {"_start", "main", "compute", "fib", "fib", "fib"}, 250);
  add(profile, "", "app", {"_start", "main", "compute", "(app+0x1234)"}, 50);
  add(profile, "", "app", {"_start", "main", "write", "do_syscall_64_[k]", "vfs_write_[k]"}, 100);
  add(profile, "web-1", "python3",
      {"_start", "Py_RunMain", "main (app.py:1)_[p]", "serve (app.py:9)_[p]"}, 150);
  add(profile, "web-1", "nginx", {"[truncated: no unwind info]", "ngx_epoll_process_events"}, 80);
  add(profile, "web-2", "nginx", {"_start", "ngx_epoll_process_events"}, 70);
  add(profile, "web-2", "java",
      {"start_thread", "com/acme/Main.run()V_[j]", "java/util/HashMap.get_[i]"}, 50);
  return profile;
}

Profile hostile_profile() {
  Profile profile;
  const Frames names = {"</script><img src=x onerror=window.hit=1>",
                        "<img src=x onerror=\"window.hit=1\">",
                        "a;b\"c'd`${window.hit=1}",
                        "line\xe2\x80\xa8separator\xe2\x80\xa9paragraph",
                        "<!-- <script>window.hit=1",
                        "\u202eesrever",
                        "javascript:window.hit=1",
                        "new\nline\x1b[31m\xff",
                        "__proto__",
                        "constructor",
                        std::string(5000, 'x'),
                        "@SCRIPT@ @DATA@ {{{JSON_DATA}}}"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    add(profile, names[0], names[1], {names[i], names[(i + 1) % names.size()]}, 10 + i);
    add(profile, names[i], names[i], {"main"}, 5);
  }
  return profile;
}

// A host in motion, for the eye: process names, depths and weights as they come in practice.
Profile busy_profile() {
  std::mt19937 random(3);
  Profile profile;
  constexpr std::array kComms = {"postgres",     "nginx",   "python3", "java",
                                 "redis-server", "kubelet", "sshd",    "bash"};
  constexpr std::array kSuffixes = {"", "", "_[p]", "_[j]", "", "", "", ""};
  constexpr std::array kVerbs = {"read", "parse", "hash_search", "plan", "exec",
                                 "sort", "merge", "alloc",       "lock", "send"};
  constexpr std::array kNouns = {"_tuple", "_buffer", "_request", "_index", "_node",
                                 "_key",   "_page",   "_row",     "_queue"};
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t process = std::min({random() % 8, random() % 8, random() % 8});
    Frames frames = {"_start", "__libc_start_main", "main"};
    const std::size_t depth = 3 + random() % 22;
    std::uint32_t path = static_cast<std::uint32_t>(process);
    for (std::size_t level = 0; level < depth; ++level) {
      const auto turn = std::min({random() % 5, random() % 5, random() % 5, random() % 5});
      path = path * 31 + static_cast<std::uint32_t>(turn);
      std::mt19937 choice(path);
      frames.push_back(
          fmt::format("{}{}{}", kVerbs[choice() % 10], kNouns[choice() % 9], kSuffixes[process]));
    }
    if (random() % 5 == 0) {
      frames.insert(frames.end(), {"entry_SYSCALL_64_after_hwframe_[k]", "do_syscall_64_[k]"});
      frames.push_back(random() % 2 == 0 ? "vfs_read_[k]" : "tcp_sendmsg_[k]");
    } else if (random() % 9 == 0) {
      frames.push_back("(libcrypto.so.3+0x1a2b3c)");
    }
    if (random() % 40 == 0) {
      frames.insert(frames.begin(), "[truncated: no unwind info]");
    }
    const bool is_contained = process < 3;
    add(profile, is_contained ? fmt::format("shop-{}", process % 2) : "", kComms[process], frames,
        1);
  }
  return profile;
}

Profile deep_profile() {
  Profile profile;
  Frames frames;
  for (int i = 0; i < 1100; ++i) {
    frames.push_back("recurse_" + std::to_string(i));
  }
  add(profile, "", "deep", frames, 10);
  return profile;
}

// 200,000 distinct stacks of depth 40, frames of a call graph: 5,000 functions, each with 12
// callees that are taken with falling likelihood.
Profile large_profile() {
  std::mt19937 random(17);
  Profile profile;
  std::vector<Profile::NameId> functions;
  for (int i = 0; i < 5000; ++i) {
    functions.push_back(profile.intern(fmt::format(
        "library_{}::Type{}::member_function_{}(int, char const*)", i % 40, i % 300, i)));
  }
  std::vector<Profile::NameId> comms;
  for (int i = 0; i < 50; ++i) {
    comms.push_back(profile.intern("process_" + std::to_string(i)));
  }
  const Profile::NameId none = profile.intern("");
  while (profile.counts().size() < 200'000) {
    Profile::Stack stack{none, comms[random() % comms.size()], {}};
    std::size_t function = stack.comm % 20;
    for (int depth = 0; depth < 40; ++depth) {
      stack.frames.push_back(functions[function]);
      const auto callee = std::min({random() % 12, random() % 12, random() % 12});
      function = (function * 12 + callee * 7 + 1) % functions.size();
    }
    profile.add(stack, 1 + random() % 3);
  }
  return profile;
}

// The same size, each frame any of 5,000 functions: nothing to share, nothing to compress.
Profile random_profile() {
  std::mt19937 random(19);
  Profile profile;
  const Profile::NameId none = profile.intern("");
  while (profile.counts().size() < 200'000) {
    Profile::Stack stack{none, none, {}};
    for (int depth = 0; depth < 40; ++depth) {
      stack.frames.push_back(profile.intern("function_" + std::to_string(random() % 5000)));
    }
    profile.add(stack, 1);
  }
  return profile;
}

Result<> write_page(const std::string& path, const Profile& profile, std::string_view title) {
  const std::string page = TRY(render_flame_graph(profile, facts_of(profile, std::string(title))));
  return write_file_atomically(path, page);
}

Result<> write_pages(const std::string& dir, std::span<const std::string_view> wanted) {
  struct Page {
    std::string_view name;
    Profile (*make)();
    std::string_view title;
  };
  constexpr std::array<Page, 7> kPages = {{
      {"known", known_profile, "build-7 · known numbers"},
      {"hostile", hostile_profile, "</title><img src=x onerror=window.hit=1>"},
      {"busy", busy_profile, "db-3.example"},
      {"deep", deep_profile, "deep"},
      {"empty", [] { return Profile(); }, "empty"},
      {"large", large_profile, "200,000 stacks of depth 40"},
      {"random", random_profile, "200,000 random stacks of depth 40"},
  }};
  for (const Page& page : kPages) {
    if (std::ranges::find(wanted, page.name) != wanted.end()) {
      TRY(write_page(fmt::format("{}/{}.html", dir, page.name), page.make(), page.title));
    }
  }
  return {};
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    std::fputs("usage: write_pages DIR PAGE...\n", stderr);
    return 2;
  }
  const auto written =
      waggle::write_pages(std::string(arguments[0]), std::span(arguments).subspan(1));
  if (!written) {
    std::fprintf(stderr, "%s\n", written.error().what.c_str());
    return 1;
  }
  return 0;
}
