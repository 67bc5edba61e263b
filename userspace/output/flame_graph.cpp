// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/flame_graph.h"

#include <zlib.h>

#include <cstddef>
#include <string_view>

#include "base/check.h"
#include "userspace/output/flame_page.h"
#include "userspace/output/flame_tree.h"
#include "userspace/output/page_data.h"
#include "userspace/output/recording_facts_json.h"

namespace waggle {

namespace {

Result<std::string> deflate_bytes(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string compressed(size, '\0');
  // Level 6: on 200,000 stacks of depth 40 level 9 takes longer for the same size.
  const int status = compress2(reinterpret_cast<Bytef*>(compressed.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 6);
  if (status != Z_OK) {
    return fail(Errc::system, std::string("compress flame graph: ") + zError(status));
  }
  compressed.resize(size);
  return compressed;
}

std::string facts_text(const PageFacts& facts) {
  nlohmann::ordered_json object;
  object["title"] = facts.title;
  object["waggle"] = facts_json(facts.recording);
  return dump_json(object);
}

}  // namespace

Result<std::string> render_flame_graph(const Profile& profile, const PageFacts& facts) {
  const std::string bytes = encode_page_data(build_flame_tree(profile), facts_text(facts));
  const std::string compressed = TRY(deflate_bytes(bytes));
  constexpr std::string_view kPlace = "@DATA@";
  const std::string_view page = kFlamePage;
  const std::size_t place = page.find(kPlace);
  CHECK(place != std::string_view::npos);
  std::string html(page.substr(0, place));
  html += base64(compressed);
  html += page.substr(place + kPlace.size());
  return html;
}

}  // namespace waggle
