// columns.hpp: text in columns and colours, for the reports that people read on a terminal.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <interlock/display_width.hpp>

namespace interlock::auditing::report {

enum class Paint { plain, bold, dim, red, green, yellow };

inline std::string painted(bool color, Paint paint, std::string_view text) {
    constexpr std::string_view codes[] = {"", "\033[1m", "\033[2m", "\033[1;31m", "\033[32m", "\033[1;33m"};
    if (!color || paint == Paint::plain) return std::string(text);
    return std::string(codes[static_cast<std::size_t>(paint)]).append(text) + "\033[0m";
}

/// Rows of cells, as wide as needed. A cell's width is what a terminal shows of it, not its bytes and colours. Of a
/// text that is wider than any name should be, the end is shown: otherwise one name of a hostile file fills every row.
class Columns {
public:
    struct Cell {
        std::string text;
        Paint paint = Paint::plain;
    };

    void add(std::vector<Cell> row) {
        for (Cell& cell : row) {
            if (display_width(cell.text) > widest) cell.text = end_that_fits(cell.text, widest);
        }
        rows_.push_back(std::move(row));
    }
    std::string text(std::size_t indent, bool color) const {
        std::vector<std::size_t> widths;
        for (const auto& row : rows_) {
            widths.resize(std::max(widths.size(), row.size()));
            for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i].text));
        }
        std::string out;
        for (const auto& row : rows_) {
            std::size_t last = row.size();
            while (last != 0 && row[last - 1].text.empty()) --last;
            out.append(indent, ' ');
            for (std::size_t i = 0; i < last; ++i) {
                out += painted(color, row[i].paint, row[i].text);
                if (i + 1 < last) out.append(widths[i] - display_width(row[i].text) + 2, ' ');
            }
            out += '\n';
        }
        return out;
    }

private:
    static constexpr std::size_t widest = 200;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace interlock::auditing::report
