// columns.cpp: the widths of columns, and the colours.
//
// SPDX-License-Identifier: MIT
#include "base/columns.hpp"

#include <algorithm>
#include <utility>

#include <interlock/display_width.hpp>

namespace interlock::base {

namespace {
constexpr std::size_t widest = 200;
}

std::string styled(bool color, Style style, std::string_view text) {
    constexpr std::string_view codes[] = {"", "\033[1m", "\033[2m", "\033[1;31m", "\033[32m", "\033[1;33m"};
    if (!color || style == Style::plain) return std::string(text);
    return std::string(codes[static_cast<std::size_t>(style)]).append(text) + "\033[0m";
}

Columns::Columns(std::vector<std::string> header, Wide wide) : wide_(wide), header_(true) {
    add_texts(std::move(header));
}

void Columns::add(std::vector<Cell> row) {
    for (Cell& cell : row)
        if (wide_ == Wide::cut && display_width(cell.text) > widest) cell.text = end_that_fits(cell.text, widest);
    rows_.push_back(std::move(row));
}

void Columns::add_texts(std::vector<std::string> row) {
    std::vector<Cell> cells(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) cells[i].text = std::move(row[i]);
    add(std::move(cells));
}

std::string Columns::text(std::size_t indent, bool color) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], std::min(display_width(row[i].text), widest));
    }
    std::string out;
    for (const auto& row : rows_) {
        std::size_t last = row.size();
        while (last != 0 && row[last - 1].text.empty()) --last;
        std::string line;
        for (std::size_t i = 0; i < last; ++i) {
            line += styled(color, row[i].style, row[i].text);
            if (i + 1 < last) line.append(widths[i] + 2 - std::min(display_width(row[i].text), widths[i]), ' ');
        }
        const bool bold = header_ && &row == &rows_.front();
        out.append(indent, ' ') += bold ? styled(color, Style::bold, line) : line;
        out += '\n';
    }
    return out;
}

}  // namespace interlock::base
