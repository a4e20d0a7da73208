# Help texts are Markdown pages, which the documentation links to and which the programs contain: here pages become
# initialisers in C++. What a program prints or writes into a report has a paragraph in one line, so that is how the
# texts arrive; only what is to be done about a rule stays as it is, as it has headings and code.
#
# SPDX-License-Identifier: MIT

# _interlock_text(TEXT VARIABLE): paragraphs without the breaks of their lines, as a literal.
function(_interlock_text text variable)
    string(STRIP "${text}" text)
    string(REGEX REPLACE "\n\n+" "\r" text "${text}")
    string(REPLACE "\n" " " text "${text}")
    string(REPLACE "\r" "\n\n" text "${text}")
    string(REPLACE "\\<" "<" text "${text}")
    set(${variable} "R\"page(${text})page\"" PARENT_SCOPE)
endfunction()

# interlock_embed_rules(FILE PAGES...): a Rule of each page, in this form:
#   # ID NAME: SUMMARY
#   Level: LEVEL
#   ## Why
#   ## What to do       its text, or "See [ID](PAGE#what-to-do)."
function(interlock_embed_rules file)
    set(form "^# ([^ ]+) ([^ ]+): ([^\n]+)\n\nLevel: ([a-z]+)\n\n## Why\n(.*)\n\n## What to do\n(.*)$")
    set(rules "")
    foreach(page ${ARGN})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
        file(READ ${page} text)
        if(NOT text MATCHES "${form}")
            message(FATAL_ERROR "${page} has not the form of a rule's page, which is in EmbedPages.cmake")
        endif()
        set(head "\"${CMAKE_MATCH_1}\", \"${CMAKE_MATCH_2}\", Level::${CMAKE_MATCH_4}, \"${CMAKE_MATCH_3}\"")
        set(expected_name "${CMAKE_MATCH_1}-${CMAKE_MATCH_2}.md")
        set(fix "${CMAKE_MATCH_6}")
        _interlock_text("${CMAKE_MATCH_5}" why)
        cmake_path(GET page FILENAME name)
        if(NOT name STREQUAL expected_name)
            message(FATAL_ERROR "${page} is the page of a rule that is called otherwise: ${expected_name}")
        endif()
        if(fix MATCHES "^See \\[[^\n]*\\]\\(([^\n]*)#what-to-do\\)\\.\n$")
            cmake_path(REPLACE_FILENAME page "${CMAKE_MATCH_1}" OUTPUT_VARIABLE other)
            file(READ ${other} text)
            if(NOT text MATCHES "${form}")
                message(FATAL_ERROR "${page} points to ${other}, which is no page of a rule")
            endif()
            set(fix "${CMAKE_MATCH_6}")
        endif()
        string(APPEND rules "{${head},\n${why},\nR\"page(${fix})page\"},\n")
    endforeach()
    file(CONFIGURE OUTPUT ${file} CONTENT "@rules@" @ONLY)
endfunction()

# interlock_embed_codes(FILE ENTRY PAGES...): ENTRY for each code, with @code@, @kind@ and its texts. In a page it is
#   ## CODE (KIND)
#   what it means
#   Why: ...            optional, as the next one
#   What to do: ...
function(interlock_embed_codes file entry)
    set(codes "")
    foreach(page ${ARGN})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
        file(READ ${page} text)
        string(FIND "${text}" "\n## " at)
        while(NOT at EQUAL -1)
            math(EXPR at "${at} + 4")
            string(SUBSTRING "${text}" ${at} -1 text)
            string(FIND "${text}" "\n## " at)
            string(SUBSTRING "${text}" 0 ${at} section)
            if(NOT section MATCHES "^([^ \n]+) \\(([^\n]+)\\)\n([^\n].*)$")
                message(FATAL_ERROR "${page}: '## CODE (KIND)' and a text are expected, not: ${section}")
            endif()
            set(code "${CMAKE_MATCH_1}")
            set(kind "${CMAKE_MATCH_2}")
            set(what "${CMAKE_MATCH_3}")
            set(why "")
            set(fix "")
            if(what MATCHES "^(.*)\n\nWhat to do: (.*)$")
                set(what "${CMAKE_MATCH_1}")
                set(fix "${CMAKE_MATCH_2}")
            endif()
            if(what MATCHES "^(.*)\n\nWhy: (.*)$")
                set(what "${CMAKE_MATCH_1}")
                set(why "${CMAKE_MATCH_2}")
            endif()
            foreach(part what why fix)
                _interlock_text("${${part}}" ${part})
            endforeach()
            string(CONFIGURE "${entry}" one @ONLY)
            string(APPEND codes "${one},\n")
        endwhile()
    endforeach()
    file(CONFIGURE OUTPUT ${file} CONTENT "@codes@" @ONLY)
endfunction()
