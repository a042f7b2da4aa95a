#!/usr/bin/python3
"""The include check finds what it is there to find, and nothing in the tree as it is."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_includes  # noqa: E402


def why(path, include):
    header = include.strip('<>"')
    return check_includes.check(pathlib.PurePath(path), header, include.startswith('"'))


class CheckIncludesTest(unittest.TestCase):
    def test_the_tree_is_clean(self):
        root = pathlib.Path(__file__).parents[2]
        self.assertEqual(list(check_includes.problems(root)), [])

    def test_refuses_what_crosses_a_border(self):
        for path, include in (
            ("host/base/clock.hpp", '"host/hub/topic.hpp"'),
            ("host/hub/topic.hpp", '"host/net/shard.hpp"'),
            ("host/hub/topic.hpp", "<boost/asio/io_context.hpp>"),
            ("host/wire/frame.hpp", '"host/hub/message.hpp"'),
            ("host/wire/frame.hpp", "<boost/asio/io_context.hpp>"),
            ("host/wire/frame.hpp", "<sys/socket.h>"),
            ("host/hub/topic.hpp", '"host/wire/origin.hpp"'),
            ("host/seams/cache_control.hpp", '"host/hub/topic.hpp"'),
            ("host/hub/topic.hpp", "<thread>"),
            ("host/hub/topic.hpp", "<broadcast/abi.h>"),
            ("host/hub/topic.hpp", '"topic_owner.hpp"'),
            ("host/net/shard.hpp", '"host/loader/manifest.hpp"'),
            ("host/net/shard.hpp", "<nlohmann/json.hpp>"),
            ("host/loader/runner.hpp", '"host/net/shard.hpp"'),
            ("host/loader/runner.hpp", "<yaml-cpp/yaml.h>"),
            ("host/admin/server.hpp", '"host/loader/manifest.hpp"'),
            ("host/app/main.cpp", '"plugins/price/market.hpp"'),
            ("host/app/main.cpp", "<broadcast/broadcaster.hpp>"),
            ("host/cellar/wine.cpp", "<vector>"),
            ("sdk/include/broadcast/broadcaster.hpp", "<nlohmann/json.hpp>"),
            ("sdk/include/broadcast/abi/core.h", "<nlohmann/json.hpp>"),
            ("sdk/include/broadcast/testing.hpp", '"host/base/clock.hpp"'),
            ("sdk/include/broadcast/testing.hpp", "<spdlog/spdlog.h>"),
            ("sdk/include/broadcast/testing.hpp", "<gtest/gtest.h>"),
            ("plugins/price/price.cpp", '"plugins/heartbeat/heartbeat.hpp"'),
            ("plugins/price/price.cpp", '"host/base/clock.hpp"'),
            ("plugins/price/price.cpp", "<host/base/clock.hpp>"),
            ("tools/broadcastctl/check.cpp", "<boost/dll/shared_library.hpp>"),
            ("tools/broadcastctl/check.cpp", '"plugins/price/market.hpp"'),
        ):
            self.assertIsNotNone(why(path, include), f"{path}: {include}")

    def test_accepts_what_the_house_allows(self):
        for path, include in (
            ("host/base/log.cpp", "<spdlog/spdlog.h>"),
            ("host/hub/topic.hpp", "<broadcast/units.hpp>"),
            ("host/hub/topic.hpp", '"host/base/clock.hpp"'),
            ("host/hub/message.hpp", '"host/wire/frame.hpp"'),
            ("host/loader/runner.hpp", '"host/seams/cache_control.hpp"'),
            ("host/net/shard.hpp", "<sys/socket.h>"),
            ("host/loader/runner.hpp", "<broadcast/abi.h>"),
            ("host/app/main.cpp", '"host/loader/manifest.hpp"'),
            ("sdk/include/broadcast/abi/state.h", "<broadcast/abi/core.h>"),
            ("sdk/include/broadcast/signal_broadcaster.hpp", "<nlohmann/json.hpp>"),
            ("sdk/examples/signal/jongga_signal_test.cpp", "<gtest/gtest.h>"),
            ("plugins/price/price.cpp", "<soci/soci.h>"),
            ("plugins/price/price.cpp", '"plugins/price/market.hpp"'),
            ("tests/unit/hub/x_test.cpp", '"host/net/shard.hpp"'),
            ("tools/broadcastctl/check.cpp", '"host/loader/manifest.hpp"'),
        ):
            self.assertIsNone(why(path, include), f"{path}: {include}")


if __name__ == "__main__":
    unittest.main()
