# What cmake/EmbedPages.cmake makes of pages: the texts as programs print them, and an error that names the page when one
# has not the form. usage: cmake -DFOLDER=... -P pages_test.cmake
#
# SPDX-License-Identifier: MIT
cmake_minimum_required(VERSION 3.25)
get_filename_component(embed ${CMAKE_CURRENT_LIST_DIR}/../../cmake/EmbedPages.cmake REALPATH)
file(REMOVE_RECURSE ${FOLDER})

# embed(CALL): runs it in a process of its own, as an error ends that; sets `status` and `said`.
function(embed call)
    file(WRITE ${FOLDER}/call.cmake "cmake_minimum_required(VERSION 3.25)\ninclude(${embed})\n${call}\n")
    execute_process(COMMAND ${CMAKE_COMMAND} -P call.cmake WORKING_DIRECTORY ${FOLDER}
        RESULT_VARIABLE status ERROR_VARIABLE said)
    string(REGEX REPLACE "[ \n]+" " " said "${said}")
    set(status ${status} PARENT_SCOPE)
    set(said "${said}" PARENT_SCOPE)
endfunction()

# expect(CALL FILE CONTENT)
function(expect call file content)
    embed("${call}")
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${call} failed: ${said}")
    endif()
    file(READ ${FOLDER}/${file} made)
    if(NOT made STREQUAL content)
        message(FATAL_ERROR "${call} made\n${made}\ninstead of\n${content}")
    endif()
endfunction()

# expect_error(CALL TEXT)
function(expect_error call text)
    embed("${call}")
    string(FIND "${said}" "${text}" at)
    if(status EQUAL 0 OR at EQUAL -1)
        message(FATAL_ERROR "${call} did not say: ${text}, but: ${said}")
    endif()
endfunction()

# Breaks of lines go, but not those of paragraphs and of what is to be done; nothing else has a meaning for CMake or C++.
set(head "# IL001 first: All; of [it]\n\nLevel: error\n\n## Why\n")
file(WRITE ${FOLDER}/IL001-first.md
    "${head}a\nb\nc \\n @x@ \${y} \"d\"; [e\n\nnext]\n\n## What to do\nOne\ntwo\n\n### C\n```c\n#if ;\n```\n")
file(WRITE ${FOLDER}/IL002-second.md
    "# IL002 second: Like it\n\nLevel: note\n\n## Why\nSo\n\n## What to do\nSee [IL001](IL001-first.md#what-to-do).\n")
set(fix "R\"page(One\ntwo\n\n### C\n```c\n#if ;\n```\n)page\"")
expect("interlock_embed_rules(rules.inc IL001-first.md IL002-second.md)" rules.inc
    "{\"IL001\", \"first\", Level::error, \"All; of [it]\",\nR\"page(a b c \\n @x@ \${y} \"d\"; [e\n\nnext])page\",\n${fix}},\n{\"IL002\", \"second\", Level::note, \"Like it\",\nR\"page(So)page\",\n${fix}},\n")

file(WRITE ${FOLDER}/IL003-third.md "# IL003 another: Name\n\nLevel: note\n\n## Why\nSo\n\n## What to do\nIt\n")
expect_error("interlock_embed_rules(rules.inc IL003-third.md)" "IL003-third.md is the page of a rule that is called otherwise")
file(WRITE ${FOLDER}/IL004-fourth.md "# IL004 fourth: Without a level\n\n## Why\nSo\n\n## What to do\nIt\n")
expect_error("interlock_embed_rules(rules.inc IL004-fourth.md)" "IL004-fourth.md has not the form")
file(WRITE ${FOLDER}/IL005-fifth.md
    "# IL005 fifth: Points to\n\nLevel: note\n\n## Why\nSo\n\n## What to do\nSee [IL004](IL004-fourth.md#what-to-do).\n")
expect_error("interlock_embed_rules(rules.inc IL005-fifth.md)" "IL004-fourth.md, which is no page of a rule")

set(entry "[[{@code@, @kind@, @what@, @why@, @fix@}]]")
file(WRITE ${FOLDER}/codes.md
    "# Codes\n\nOf all kinds; see [x](y).\n\n## a-b (of; a kind)\nIt is\n\\<so>.\n\nWhy: because\nof.\n\nWhat to do: nothing.\n\n## c (d)\nOnly this.\n")
expect("interlock_embed_codes(codes.inc ${entry} codes.md)" codes.inc
    "{a-b, of; a kind, R\"page(It is <so>.)page\", R\"page(because of.)page\", R\"page(nothing.)page\"},\n{c, d, R\"page(Only this.)page\", R\"page()page\", R\"page()page\"},\n")
file(WRITE ${FOLDER}/codes.md "# Codes\n\n## c\nWithout a kind.\n")
expect_error("interlock_embed_codes(codes.inc ${entry} codes.md)" "codes.md: '## CODE (KIND)' and a text are expected")
