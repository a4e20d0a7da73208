// A program that embeds interlock, as short as one can be: imports the module `adder` from the folder given as argument
// and calls it.
//
// SPDX-License-Identifier: MIT
#include <iostream>

#include <interlock/interlock.hpp>

int main(int, char** argv) try {
    interlock::Runtime runtime(interlock::RuntimeOptions::from_environment().value());
    interlock::Loader loader(runtime, {.search_path = {argv[1]}});
    auto add = loader.import("adder").value().function("add").value();
    std::cout << "adder.add(2, 3) = " << add({2, 3}).value().to_json() << '\n';
    std::cout << "global lock: " << (runtime.is_gil_enabled() ? "on" : "off") << '\n';
} catch (const interlock::Failure& failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
