// output.hpp: the two streams of the command. Data goes to stdout, everything else to stderr; only what is meant for
// people on a terminal is coloured.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/columns.hpp"

namespace interlock::cli {

using Json = nlohmann::ordered_json;

/// JSON text; invalid UTF-8 is replaced, so that this never fails. `indent` -1: one line.
std::string to_text(const Json& json, int indent = -1);
/// A JSON string, with its quotes.
std::string json_string(std::string_view text);

struct ColorChoice {
    bool on = false;
    std::string source;  ///< who decided: an option, a variable, "terminal", or "default" when there is none
};
/// Whether to colour what goes to file descriptor `fd`, by `option` ("auto", "always", "never") and, for auto,
/// NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM and whether it is a terminal, in this order.
ColorChoice choose_color(std::string_view option, int fd);

/// The streams. All members but write() and flush(): [any-thread].
class Output {
public:
    Output() = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    void use_color(bool on_stdout, bool on_stderr) noexcept;

    /// To stdout, buffered. One thread at a time. Throws CommandError(exit_unreadable) when it cannot be written. A
    /// reader that has gone away (`| head`) is no error: what it does not want is dropped, and the exit status says
    /// what it would have said.
    void write(std::string_view text);
    void write_line(std::string_view text);
    /// One document, indented.
    void write_json(const Json& json);
    void flush();
    /// Whether the reader has gone away; for verbs with a lot of work that only it would see.
    bool unread() const noexcept { return unread_; }

    /// To stderr at once, above the progress line.
    void note(std::string_view text);
    void error(std::string_view message);
    void warning(std::string_view message);

    /// Whether stdout is coloured.
    bool color() const noexcept { return color_out_; }
    /// `text` for stdout, or stderr, in a style.
    std::string styled(base::Style style, std::string_view text) const;
    std::string styled_note(base::Style style, std::string_view text) const;

    /// The last line of the terminal at stderr, which stays below all notes; "" erases it.
    void show_progress(std::string line);

private:
    std::mutex mutex_;  // of the terminal
    std::string progress_;
    std::string buffer_;
    bool unread_ = false;
    bool color_out_ = false, color_err_ = false;
};

}  // namespace interlock::cli
