# What the tests in Python find the built things by. They are run with Debian's own interpreter, the one that has
# the package python3-websockets.
include_guard()  # in every directory that asks: the variable is the directory's
set(BROADCAST_PYTHON_ENVIRONMENT
  "BROADCAST_HOST=$<TARGET_FILE:broadcast-host>"
  "BROADCAST_PLUGINS=${BROADCAST_PLUGIN_OUTPUT_DIRECTORY}"
  "BROADCAST_TEST_PLUGINS=${CMAKE_BINARY_DIR}/tests/plugins"
  "PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/support"
  "PYTHONDONTWRITEBYTECODE=1")

# broadcast_add_python_test(name script [BOTH_FLUSHERS] [COST seconds] [LABELS ...] [ENVIRONMENT ...] [ARGUMENTS ...]):
# one ctest entry, or two: the second with `server.flush: sendmsg`. The longest start first, so that none is left alone
# at the end.
function(broadcast_add_python_test name script)
  cmake_parse_arguments(A "BOTH_FLUSHERS" "COST" "LABELS;ENVIRONMENT;ARGUMENTS" ${ARGN})
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${A_ARGUMENTS})
  if(NOT A_COST)
    set(A_COST 5)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 COST ${A_COST} LABELS "${A_LABELS}"
    ENVIRONMENT "${BROADCAST_PYTHON_ENVIRONMENT};${A_ENVIRONMENT}")
  if(A_BOTH_FLUSHERS)
    broadcast_add_python_test(${name}.sendmsg ${script} COST ${A_COST} ARGUMENTS ${A_ARGUMENTS} LABELS ${A_LABELS}
      ENVIRONMENT "${A_ENVIRONMENT};BROADCAST_FLUSH=sendmsg")
  endif()
endfunction()
