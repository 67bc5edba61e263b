# Joins the page's sources into one document and writes it as a C++ header.  Run at build time:
#   cmake -DPAGE_DIR=... -DOUTPUT=... -P embed_page.cmake
# The script and the style are named in the page's policy by their hashes: nothing else runs.

set(SCRIPTS decode.js kinds.js model.js canvas.js panels.js main.js)

function(sha256_base64 text result)
  set(digits ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  set(hex "${hex}00") # 66 digits: 22 groups of 12 bits, two base64 digits each
  set(base64 "")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING ${hex} ${at} 3 group)
    math(EXPR high "0x${group} >> 6")
    math(EXPR low "0x${group} & 63")
    string(SUBSTRING ${digits} ${high} 1 high)
    string(SUBSTRING ${digits} ${low} 1 low)
    string(APPEND base64 ${high}${low})
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${result} "${base64}=" PARENT_SCOPE)
endfunction()

file(READ ${PAGE_DIR}/index.html page)
file(READ ${PAGE_DIR}/style.css style)
set(script "")
foreach(name IN LISTS SCRIPTS)
  file(READ ${PAGE_DIR}/${name} source)
  string(APPEND script "${source}")
endforeach()

sha256_base64("${script}" script_hash)
sha256_base64("${style}" style_hash)
foreach(part script_hash style_hash script style)
  string(TOUPPER "@${part}@" place)
  string(REPLACE "${place}" "${${part}}" page "${page}")
endforeach()

# As bytes: no delimiter of a raw string has to be absent from the page.
file(WRITE ${OUTPUT}.html "${page}")
file(READ ${OUTPUT}.html bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "// Made by embed_page.cmake.
#pragma once

#include <string_view>

namespace waggle {

inline constexpr unsigned char kFlamePageBytes[] = {
${bytes}};
inline const std::string_view kFlamePage(reinterpret_cast<const char*>(kFlamePageBytes),
                                         sizeof(kFlamePageBytes));

}  // namespace waggle
")
