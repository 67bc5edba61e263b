# One static library per layer (docs/ARCHITECTURE.md), one executable per group of tests.

include(GoogleTest)

# waggle_library(NAME sources... [PUBLIC libraries...] [PRIVATE libraries...])
function(waggle_library name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC waggle_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

# waggle_test(NAME sources... LIBRARIES libraries... KIND unit|fuzz|kernel|e2e [SPEED quick|long]
#             [FIXTURES names...])
# Each TEST() becomes a ctest test with the labels KIND and SPEED, and is run once the tests that
# set its fixtures up have been.  A test that cannot run here calls GTEST_SKIP() with the reason.
function(waggle_test name)
  cmake_parse_arguments(arg "" "KIND;SPEED" "LIBRARIES;FIXTURES" ${ARGN})
  if(NOT arg_SPEED)
    set(arg_SPEED quick)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  if(arg_KIND STREQUAL "unit")
    set(serial FALSE)
  else()
    set(serial TRUE) # they load the host and measure it
  endif()
  set(timeout_seconds 300)
  if(arg_SPEED STREQUAL "long")
    set(timeout_seconds 3600)
  endif()
  gtest_discover_tests(${name} TEST_LIST ${name}_tests DISCOVERY_TIMEOUT 60 PROPERTIES
    TIMEOUT ${timeout_seconds} RUN_SERIAL ${serial})
  # gtest_discover_tests splits what is a list; ctest reads this file after the tests' own.
  set(lists ${CMAKE_CURRENT_BINARY_DIR}/${name}_lists.cmake)
  file(WRITE ${lists}
    "set_tests_properties(\${${name}_tests} PROPERTIES\n"
    "  LABELS \"${arg_KIND};${arg_SPEED}\" FIXTURES_REQUIRED \"${arg_FIXTURES}\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${lists})
endfunction()
