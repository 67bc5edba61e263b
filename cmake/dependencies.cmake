# Libraries of Debian 12, linked statically (the program is static but for libc): a host needs
# nothing but the binary.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(WAGGLE_TESTS)
  find_package(GTest REQUIRED)
endif()
find_package(nlohmann_json REQUIRED)
find_package(CURL 7.85 REQUIRED) # shared: its TLS library needs the host's updates
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)

# waggle_static_library(NAME file...): an imported target over lib*.a files.
function(waggle_static_library name)
  add_library(${name} INTERFACE IMPORTED GLOBAL)
  foreach(file IN LISTS ARGN)
    find_library(WAGGLE_${file} ${file} REQUIRED)
    target_link_libraries(${name} INTERFACE ${WAGGLE_${file}})
  endforeach()
endfunction()

waggle_static_library(deps::zlib libz.a)
waggle_static_library(deps::lzma liblzma.a)
waggle_static_library(deps::event libevent_extra.a libevent_core.a)
waggle_static_library(deps::elf libelf.a libz.a)
waggle_static_library(deps::bpf libbpf.a libelf.a libz.a)
waggle_static_library(deps::iberty libiberty.a)

# Debian ships fmt and spdlog as shared libraries only; both can be used as headers.
add_library(deps::fmt INTERFACE IMPORTED GLOBAL)
target_compile_definitions(deps::fmt INTERFACE FMT_HEADER_ONLY)
add_library(deps::spdlog INTERFACE IMPORTED GLOBAL)
target_compile_definitions(deps::spdlog INTERFACE SPDLOG_FMT_EXTERNAL_HO)
target_link_libraries(deps::spdlog INTERFACE deps::fmt Threads::Threads)
