// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditLog} from "../../contracts/interfaces/IAuditLog.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {MerkleTree} from "./support/MerkleTree.sol";

/// @notice A published log grows and is never rewritten.
contract AuditLogTest is Consortium {
    bytes32[] private leaves;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 40; ++i) {
            leaves.push(MerkleTree.leaf(abi.encode("event", i)));
        }
    }

    function test_publish() public {
        vm.expectEmit(address(log));
        emit IAuditLog.AuditHeadPublished(A, 5, root(5));
        publish(0, 5);
        publish(5, 8);
        publish(8, 40);
        (uint64 size, bytes32 root_, uint40 at_) = log.headOf(A);
        assertEq(size, 40, "size");
        assertEq(root_, root(40), "root");
        assertEq(at_, NOW, "time");
        bytes32[] memory proof = MerkleTree.inclusion(17, leaves, 0, 40);
        assertTrue(log.verifyInclusion(A, leaves[17], 17, proof), "an event is in the log");
        assertFalse(log.verifyInclusion(B, leaves[17], 17, proof), "not in another's");
    }

    function testFuzz_everyHistoryOfAGrowingLogIsAccepted(uint256[] memory steps) public {
        uint256 size = 0;
        for (uint256 i = 0; i < steps.length && size < 40; ++i) {
            uint256 next = size + bound(steps[i], 1, 40 - size);
            publish(size, next);
            size = next;
        }
    }

    function test_aRewrittenLogIsRefused() public {
        publish(0, 20);
        leaves[3] = keccak256("rewritten");
        bytes32[] memory proof = MerkleTree.consistency(20, leaves, 30);
        bytes32 rewritten = root(30);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IAuditLog.InconsistentHead.selector, A));
        log.publish(A, 30, rewritten, proof);
    }

    function test_itNeitherShrinksNorForks() public {
        publish(0, 20);
        bytes32[] memory none = new bytes32[](0);
        bytes32 smaller = root(19);
        vm.startPrank(a);
        vm.expectRevert(abi.encodeWithSelector(IAuditLog.NotAnExtension.selector, A, 19, 20));
        log.publish(A, 19, smaller, none);
        vm.expectRevert(abi.encodeWithSelector(IAuditLog.NotAnExtension.selector, A, 20, 20));
        log.publish(A, 20, "other", none);
        vm.expectRevert(IAuditLog.EmptyLog.selector);
        log.publish(A, 0, 0, none);
        vm.stopPrank();
    }

    function test_aResendIsHarmless() public {
        publish(0, 20);
        bytes32 same = root(20);
        vm.recordLogs();
        vm.prank(a);
        log.publish(A, 20, same, new bytes32[](0));
        assertEq(vm.getRecordedLogs().length, 0, "no event");
    }

    function test_onlyByAnOperatorOfTheActiveEntity() public {
        bytes32 root_ = root(5);
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IAuditLog.NotOperator.selector, A, b));
        log.publish(A, 5, root_, new bytes32[](0));
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Revoked);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IAuditLog.NotOperator.selector, A, a));
        log.publish(A, 5, root_, new bytes32[](0));
    }

    function publish(uint256 from, uint256 to) private {
        bytes32[] memory proof = from == 0 ? new bytes32[](0) : MerkleTree.consistency(from, leaves, to);
        bytes32 root_ = root(to);
        vm.prank(a);
        log.publish(A, uint64(to), root_, proof);
    }

    function root(uint256 size) private view returns (bytes32) {
        return MerkleTree.root(leaves, 0, size);
    }
}
