# How our own code is compiled: every target of ours links waggle_options.

add_library(waggle_options INTERFACE)
target_include_directories(waggle_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_options(waggle_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<BOOL:${WAGGLE_WERROR}>:-Werror>
  -fno-omit-frame-pointer # we are a profiler
  -fstack-protector-strong
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_definitions(waggle_options INTERFACE _GLIBCXX_ASSERTIONS)
if(NOT WAGGLE_SANITIZE) # sanitizers replace the same functions
  # glibc's fortified headers need the optimizer.
  target_compile_definitions(waggle_options INTERFACE
    $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>)
endif()
target_link_options(waggle_options INTERFACE -Wl,-z,relro,-z,now)

if(WAGGLE_SANITIZE)
  target_compile_options(waggle_options INTERFACE -fsanitize=${WAGGLE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(waggle_options INTERFACE -fsanitize=${WAGGLE_SANITIZE})
  if(WAGGLE_SANITIZE MATCHES thread) # does not know fences (-Wtsan); Asio's queues have locks besides
    target_compile_definitions(waggle_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

find_program(WAGGLE_CCACHE ccache)
if(WAGGLE_CCACHE)
  # base_dir: a clone in another folder hits the same cache.
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${WAGGLE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()
