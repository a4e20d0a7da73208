// base/columns.hpp: text in columns and colours, for people at a terminal.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace interlock::base {

enum class Style : std::uint8_t { plain, bold, dim, red, green, yellow };
/// `text` as it is, or, with `color`, between the sequences of ECMA-48 for the style.
std::string styled(bool color, Style style, std::string_view text);

/// Rows of cells, as wide as needed. A cell's width is what a terminal shows of it, not its bytes and colours.
class Columns {
public:
    struct Cell {
        std::string text;
        Style style = Style::plain;
    };
    /// What becomes of a cell that is wider than any name should be. One name of a hostile file must not fill every
    /// row: its end is shown, or, where all of it matters, its row alone gets out of line.
    enum class Wide : std::uint8_t { cut, whole };

    explicit Columns(Wide wide = Wide::cut) noexcept : wide_(wide) {}
    /// With a header: one line in bold.
    explicit Columns(std::vector<std::string> header, Wide wide = Wide::whole);

    void add(std::vector<Cell> row);
    void add_texts(std::vector<std::string> row);
    std::string text(std::size_t indent, bool color) const;

private:
    Wide wide_;
    bool header_ = false;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace interlock::base
