// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IRecordAnchors} from "../../contracts/interfaces/IRecordAnchors.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Each batch once, in order, by its entity, and provable ever after.
contract RecordAnchorsTest is Consortium {
    function test_anchor() public {
        vm.expectEmit(address(anchors));
        emit IRecordAnchors.RecordsAnchored(A, "root", "manifest", 3);
        vm.prank(a);
        anchors.anchor(A, 0, "root", "manifest", 3);
        assertEq(anchors.nextSequence(A), 1, "next");
        assertEq(anchors.nextSequence(B), 0, "another entity's numbers");
    }

    function test_onlyByAnOperatorOfTheActiveEntity() public {
        address[3] memory others = [b, admin, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRecordAnchors.NotOperator.selector, A, others[i]));
            anchors.anchor(A, 0, "root", "manifest", 3);
        }
        // A party that is no entity has no operators.
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IRecordAnchors.NotOperator.selector, DOCTOR, doctor));
        anchors.anchor(DOCTOR, 0, "root", "manifest", 3);
        vm.prank(a);
        identity.addOperator(A, stranger);
        vm.prank(stranger);
        anchors.anchor(A, 0, "root", "manifest", 3);
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IRecordAnchors.NotOperator.selector, A, a));
        anchors.anchor(A, 1, "root", "manifest", 3);
    }

    function test_aResendLandsOnce() public {
        vm.startPrank(a);
        anchors.anchor(A, 0, "root", "manifest", 3);
        bytes27 head = anchors.headOf(A);
        vm.expectRevert(abi.encodeWithSelector(IRecordAnchors.AlreadyAnchored.selector, A, 0, 1));
        anchors.anchor(A, 0, "root", "manifest", 3);
        vm.expectRevert(abi.encodeWithSelector(IRecordAnchors.OutOfSequence.selector, A, 2, 1));
        anchors.anchor(A, 2, "root", "manifest", 3);
        vm.expectRevert(IRecordAnchors.EmptyBatch.selector);
        anchors.anchor(A, 1, "root", "manifest", 0);
        vm.stopPrank();
        assertTrue(anchors.headOf(A) == head, "nothing changed");
    }

    function testFuzz_anyPastAnchorIsProvable(uint256 seed, uint256 count, uint256 which) public {
        count = bound(count, 1, 12);
        which = bound(which, 0, count - 1);
        IRecordAnchors.Anchor[] memory all = new IRecordAnchors.Anchor[](count);
        bytes27[] memory heads = new bytes27[](count + 1);
        for (uint256 i = 0; i < count; ++i) {
            all[i] = IRecordAnchors.Anchor(
                keccak256(abi.encode("root", seed, i)), keccak256(abi.encode("manifest", seed, i)), uint32(i + 1)
            );
            vm.prank(a);
            anchors.anchor(A, uint40(i), all[i].root, all[i].manifest, all[i].count);
            heads[i + 1] = bytes27(keccak256(abi.encode(heads[i], all[i].root, all[i].manifest, all[i].count)));
            assertTrue(anchors.headOf(A) == heads[i + 1], "head");
        }
        IRecordAnchors.Anchor[] memory since = new IRecordAnchors.Anchor[](count - which);
        for (uint256 i = which; i < count; ++i) {
            since[i - which] = all[i];
        }
        assertTrue(anchors.verifyAnchor(A, heads[which], since), "anchored");
        assertFalse(anchors.verifyAnchor(B, heads[which], since), "not by another");
        since[0].count += 1;
        assertFalse(anchors.verifyAnchor(A, heads[which], since), "not with another count");
        assertFalse(anchors.verifyAnchor(A, heads[count], new IRecordAnchors.Anchor[](0)), "nothing proves nothing");
    }
}
