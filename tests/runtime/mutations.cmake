# Proof that the tests can fail: runtimes that are broken on purpose, each in one place, and for each the test case that
# has to notice.
#
# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_SOURCE_DIR}/mutate.cmake)

# interlock_mutant(name SOURCE file FIND text REPLACE text TEST test CASE test_case)
function(interlock_mutant name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE;FIND;REPLACE;TEST;CASE" "")
    interlock_mutate(mutated NAME ${name} SOURCE ${arg_SOURCE} FIND "${arg_FIND}" REPLACE "${arg_REPLACE}")
    # The linker takes the broken object and leaves the sound one in its archive.
    add_executable(runtime_mutant_${name} ${mutated} $<TARGET_OBJECTS:runtime_${arg_TEST}_test>)
    target_include_directories(runtime_mutant_${name} PRIVATE ${PROJECT_SOURCE_DIR}/runtime/src)
    target_compile_definitions(runtime_mutant_${name} PRIVATE
        INTERLOCK_DISABLE_GIL=$<BOOL:${INTERLOCK_DISABLE_GIL}>)
    target_link_libraries(runtime_mutant_${name} PRIVATE interlock_runtime_points TBB::tbb
        Boost::unit_test_framework interlock_warnings)
    add_test(NAME runtime_mutant_${name} COMMAND ${CMAKE_COMMAND}
        -D PROGRAM=$<TARGET_FILE:runtime_mutant_${name}> -D CASE=${arg_CASE}
        -P ${CMAKE_CURRENT_SOURCE_DIR}/expect_failure.cmake)
    interlock_test_properties(runtime_mutant_${name} LABELS runtime mutant)
endfunction()

interlock_mutant(switch_does_not_wait SOURCE runtime.cpp
    FIND "if (!state_->wait_for_attached(reason, begin, end))"
    REPLACE "if (end && *end < begin)"
    TEST switch CASE a_switch_waits_for_an_attached_thread)

interlock_mutant(mode_not_checked_again_under_the_lock SOURCE attach.cpp
    FIND "if (mode_cell.word.load(std::memory_order_acquire) == mode_locked) {"
    REPLACE "if (mode_cell.word.load(std::memory_order_acquire) != mode_none) {"
    TEST switch CASE who_waited_for_the_global_lock_goes_on_without_it_in_parallel_mode)

interlock_mutant(safe_point_ignores_the_switch SOURCE attach.cpp
    FIND "const bool must_stop = state == state_free && word == mode_locked;"
    REPLACE "const bool must_stop = state == state_free && word == mode_none;"
    TEST switch CASE a_switch_is_over_when_attached_threads_reach_a_safe_point)

interlock_mutant(failed_switch_stays_locked SOURCE runtime.cpp
    FIND "    process().switching.take_back(nullptr);
    detail::mode_cell.word.store(detail::parallel_word(), std::memory_order_seq_cst);"
    REPLACE "    process().switching.take_back(nullptr);"
    TEST switch CASE a_switch_that_misses_its_deadline_leaves_the_runtime_parallel)

interlock_mutant(requests_are_not_counted SOURCE runtime.cpp
    FIND "if (holds != 1 || state_->options.gil == GilSetting::on) return false;"
    REPLACE "if (state_->options.gil == GilSetting::on) return false;"
    TEST switch CASE requests_are_counted)

interlock_mutant(outer_sections_are_kept_while_detached SOURCE critical_section.cpp
    FIND "for (CriticalFrame* frame = innermost; frame != nullptr; frame = frame->outer)"
    REPLACE "for (CriticalFrame* frame = innermost; frame != nullptr; frame = nullptr)"
    TEST critical_section CASE sections_are_suspended_while_detached_and_the_innermost_comes_back)

interlock_mutant(outer_section_is_not_taken_again SOURCE critical_section.cpp
    FIND "if (frame.outer != nullptr && !frame.outer->held)"
    REPLACE "if (frame.outer == &frame)"
    TEST critical_section CASE sections_are_suspended_while_detached_and_the_innermost_comes_back)

interlock_mutant(module_lock_is_kept_while_detached SOURCE attach.cpp
    FIND "saved = {slot, slot->depth, slot->module_lock, slot->critical};"
    REPLACE "saved = {slot, slot->depth, nullptr, slot->critical};"
    TEST gate CASE a_module_lock_is_given_up_while_detached_and_taken_again)

interlock_mutant(release_without_hand_off SOURCE handoff_lock.cpp
    FIND "if (how == Release::lazy && !handoff_due()) {"
    REPLACE "if (how == Release::lazy || !handoff_due()) {"
    TEST handoff_lock CASE after_the_switch_interval_a_release_hands_the_lock_over)

interlock_mutant(half_taken_section_survives_a_fork SOURCE critical_section.cpp
    FIND "        frame->first->unlock();
        if (frame->second"
    REPLACE "        if (frame->held) frame->first->unlock();
        if (frame->second"
    TEST fork CASE while_another_thread_has_one_object_of_two)

interlock_mutant(unfinished_switch_survives_a_fork SOURCE fork.cpp
    FIND "if (step == Step::to_locked) place.holds.fetch_sub(1, std::memory_order_relaxed);"
    REPLACE ""
    TEST fork CASE in_the_middle_of_another_threads_switch_to_locked_mode_it_is_undone)

interlock_mutant(child_keeps_the_mode_of_an_unfinished_switch SOURCE fork.cpp
    FIND "mode_cell.word.store(locked ? std::uint32_t{mode_locked} : parallel_word(), std::memory_order_relaxed);"
    REPLACE "static_cast<void>(locked);"
    TEST fork CASE in_the_middle_of_another_threads_switch_to_parallel_mode_it_is_over)

interlock_mutant(request_is_taken_back_before_its_owner_is_told SOURCE runtime.cpp
    FIND "    IL_POINT(\"switch.before_taking_back\");
    process().switching.take_back(asked);"
    REPLACE "    if (asked != nullptr) *asked = false;
    IL_POINT(\"switch.before_taking_back\");
    process().switching.take_back(nullptr);"
    TEST fork CASE a_request_that_another_thread_is_about_to_take_back_counts_and_is_said_to)

interlock_mutant(work_begins_beneath_other_work SOURCE executor.cpp
    FIND "if (visiting || !is_outermost(*slot))"
    REPLACE "if (is_outermost(*slot) && arena == nullptr)"
    TEST waiting CASE no_work_begins_beneath_a_body_that_has_entered_the_arena_again)

interlock_mutant(pieces_forget_whose_they_are SOURCE executor.cpp
    FIND "slot->loader_imports = loop.imports;"
    REPLACE "slot->loader_imports = nullptr;"
    TEST waiting CASE a_piece_is_part_of_what_the_caller_of_its_loop_is_in_the_middle_of)
