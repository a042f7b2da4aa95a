# broadcast_add_plugin(name sources... [STATIC_RUNTIME]): lib<name>.so, built so that the host can unload it.
#
# - hidden visibility and a version script: only bc_plugin_entry is exported
# - no STB_GNU_UNIQUE symbols (GCC): one of them pins the library for ever, and two libraries would share it
# - -z defs, -z now: a missing symbol is an error here or at load, never a crash later
# STATIC_RUNTIME links libstdc++ and libgcc in, for hosts with older ones.
include_guard(GLOBAL)

function(broadcast_add_plugin name)
  cmake_parse_arguments(A "STATIC_RUNTIME" "" "" ${ARGN})
  set(map "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map")
  add_library(${name} MODULE ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE Broadcast::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX lib
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${map}")
  if(BROADCAST_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY "${BROADCAST_PLUGIN_OUTPUT_DIRECTORY}")
  endif()
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${name} PRIVATE
    "LINKER:--version-script=${map}" LINKER:-z,now)
  # clang does not link the sanitizers' runtime into libraries, so their symbols stay open there.
  if(NOT (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND BROADCAST_SANITIZE))
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
  if(A_STATIC_RUNTIME)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()

# broadcast_test_plugin(plugin sources...): a GoogleTest program that finds the library's path in
# BROADCAST_PLUGIN_PATH, for FakeHost.
function(broadcast_test_plugin plugin)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  set(test ${plugin}_test)
  add_executable(${test} ${ARGN})
  target_compile_definitions(${test} PRIVATE BROADCAST_PLUGIN_PATH="$<TARGET_FILE:${plugin}>")
  target_link_libraries(${test} PRIVATE Broadcast::sdk GTest::gmock GTest::gtest_main ${CMAKE_DL_LIBS})
  add_dependencies(${test} ${plugin})
  gtest_discover_tests(${test} TEST_PREFIX "${test}." DISCOVERY_MODE PRE_TEST)
endfunction()
