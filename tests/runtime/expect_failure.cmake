# cmake -D PROGRAM=... -D CASE=... -P expect_failure.cmake: runs one Boost.Test case, which must fail by a check of its
# own. A crash, a hang or a case that does not exist is no proof, and is an error.
#
# SPDX-License-Identifier: MIT
execute_process(COMMAND ${PROGRAM} --run_test=${CASE} --color_output=no
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 100)
message("${output}")
if(NOT result EQUAL 201 OR NOT output MATCHES "error: in \"${CASE}\"")
    message(FATAL_ERROR "the broken runtime should have failed ${CASE}; exit status: ${result}")
endif()
message("as expected, the broken runtime does not pass")
