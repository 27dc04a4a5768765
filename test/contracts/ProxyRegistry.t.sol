// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IProxyRegistry} from "../../contracts/interfaces/IProxyRegistry.sol";
import {IRetirable} from "../../contracts/interfaces/IRetirable.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Proxies announce themselves; who serves is decided by both registries.
contract ProxyRegistryTest is Consortium {
    bytes32 private constant URSULA = keccak256("ursula");
    string private constant ENDPOINT = "https://ursula.example";

    function setUp() public override {
        super.setUp();
        vm.prank(admin);
        identity.registerProxy(registration(URSULA, stranger), B);
    }

    function test_announceUpdateWithdraw() public {
        assertFalse(proxies.isServing(URSULA), "not announced");
        vm.expectEmit(address(proxies));
        emit IProxyRegistry.ProxyAnnounced(URSULA, B, key(URSULA), ENDPOINT);
        announce("");
        assertTrue(proxies.isServing(URSULA), "serving");
        announce("/v2");
        IProxyRegistry.ProxyNode memory node = proxies.proxyNode(URSULA);
        assertEq(node.owner, B, "owner");
        assertEq(keccak256(bytes(node.endpoint)), keccak256("https://ursula.example/v2"), "endpoint");
        assertEq(keccak256(node.receiptKey), keccak256(key(URSULA)), "key");
        assertEq(proxies.count(), 1, "one, updated");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IProxyRegistry.NotController.selector, URSULA, a));
        proxies.withdraw(URSULA);
        vm.expectEmit(address(proxies));
        emit IProxyRegistry.ProxyWithdrawn(URSULA);
        vm.prank(stranger);
        proxies.withdraw(URSULA);
        assertFalse(proxies.isServing(URSULA), "withdrawn");
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IProxyRegistry.NotAnnounced.selector, URSULA));
        proxies.withdraw(URSULA);
        announce("");
        assertEq(proxies.count(), 1, "still one");
    }

    function test_aSuspendedProxyDoesNotServe() public {
        announce("");
        vm.prank(admin);
        identity.setStatus(URSULA, IIdentityRegistry.Status.Suspended);
        assertFalse(proxies.isServing(URSULA), "suspended");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IProxyRegistry.NotController.selector, URSULA, stranger));
        proxies.announce(URSULA, key(URSULA), ENDPOINT);
    }

    function test_onlyProxiesByTheirController() public {
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IProxyRegistry.NotAProxy.selector, A));
        proxies.announce(A, key(A), ENDPOINT);
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IProxyRegistry.NotController.selector, URSULA, b));
        proxies.announce(URSULA, key(URSULA), ENDPOINT);
        vm.startPrank(stranger);
        vm.expectRevert(IProxyRegistry.InvalidReceiptKey.selector);
        proxies.announce(URSULA, "short", ENDPOINT);
        vm.expectRevert(IProxyRegistry.InvalidEndpoint.selector);
        proxies.announce(URSULA, key(URSULA), "");
        vm.stopPrank();
        vm.prank(admin);
        IRetirable(address(proxies)).retire(address(log));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, address(log)));
        proxies.announce(URSULA, key(URSULA), ENDPOINT);
    }

    function test_list() public {
        announce("");
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 id = keccak256(abi.encode("proxy", i));
            vm.prank(admin);
            identity.registerProxy(registration(id, alice), A);
            vm.prank(alice);
            proxies.announce(id, key(id), ENDPOINT);
        }
        assertEq(proxies.list(0, 100).length, 5, "all");
        bytes32[] memory page = proxies.list(3, 100);
        assertEq(page.length, 2, "the rest");
        assertEq(page[1], keccak256(abi.encode("proxy", 3)), "the last");
        assertEq(proxies.list(1, 2).length, 2, "a page");
        assertEq(proxies.list(3, 3).length, 2, "a page that is not full");
        assertEq(proxies.list(5, 1).length, 0, "the end");
        assertEq(proxies.list(6, 1).length, 0, "beyond");
        assertEq(proxies.list(0, 1)[0], URSULA, "in order");
    }

    function announce(string memory path) private {
        vm.prank(stranger);
        proxies.announce(URSULA, key(URSULA), string.concat(ENDPOINT, path));
    }
}
