// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Taking back: exactly, at once, always.
contract RevocationsTest is Consortium {
    function test_exactlyTheNamedWords() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.labels = two(GENERAL, HIV);
        consent.actions = CAN_READ | CAN_UPDATE;
        vm.prank(alice);
        consents.grant(consent);
        vm.expectEmit(address(consents));
        emit IConsentRegistry.ConsentRevoked(ALICE, B, HIV, CAN_READ);
        vm.prank(alice);
        consents.revoke(ALICE, B, one(HIV), CAN_READ);
        assertFalse(consents.check(ALICE, B, HIV, READ, TREAT, 1), "revoked");
        assertTrue(consents.check(ALICE, B, HIV, UPDATE, TREAT, 1), "another action");
        assertTrue(consents.check(ALICE, B, GENERAL, READ, TREAT, 1), "another label");
        vm.prank(alice);
        consents.revoke(ALICE, B, two(HIV, GENERAL), 127);
        assertFalse(consents.check(ALICE, B, HIV, UPDATE, TREAT, 1), "revoked");
        assertFalse(consents.check(ALICE, B, GENERAL, READ, TREAT, 1), "revoked");
    }

    function test_revokeLabelIsRevokeOfOneLabel() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.actions = 63;
        vm.prank(alice);
        consents.grant(consent);
        vm.expectEmit(address(consents));
        emit IConsentRegistry.ConsentRevoked(ALICE, B, GENERAL, CAN_UPDATE | CAN_READ);
        vm.prank(alice);
        consents.revokeLabel(ALICE, B, GENERAL, CAN_UPDATE | CAN_READ);
        for (uint256 action = 0; action < 6; ++action) {
            assertTrue(
                consents.check(ALICE, B, GENERAL, action, TREAT, 1) == (action != READ && action != UPDATE), "action"
            );
        }
    }

    function test_onlyByThePatient() public {
        address[5] memory others = [a, b, admin, doctor, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.startPrank(others[i]);
            bytes memory reason = abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, others[i]);
            vm.expectRevert(reason);
            consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
            vm.expectRevert(reason);
            consents.revokeLabel(ALICE, B, GENERAL, CAN_READ);
            vm.expectRevert(reason);
            consents.revokeAll(ALICE);
            vm.stopPrank();
        }
    }

    /// @dev Whatever stands there, and whatever the standing of everyone.
    function testFuzz_aRevocationNeverFails(
        bytes32 grantee,
        bytes32[] calldata labels,
        uint8 actions,
        bool paused,
        bool suspended,
        bool custody,
        uint40 time
    ) public {
        vm.assume(labels.length != 0 && labels.length <= 64);
        if (paused) {
            vm.prank(admin);
            consents.pauseGrants();
        }
        if (suspended) {
            vm.startPrank(admin);
            identity.setStatus(A, IIdentityRegistry.Status.Revoked);
            identity.setStatus(B, IIdentityRegistry.Status.Suspended);
            vm.stopPrank();
        }
        vm.warp(time);
        vm.startPrank(custody ? a : alice);
        consents.revoke(custody ? CAROL : ALICE, grantee, labels, uint8(bound(actions, 1, 127)));
        consents.revokeLabel(custody ? CAROL : ALICE, grantee, labels[0], uint8(bound(actions, 1, 127)));
        consents.revokeAll(custody ? CAROL : ALICE);
        consents.setEmergencyVeto(custody ? CAROL : ALICE, true);
        vm.stopPrank();
    }

    function test_revokeAllBeginsANewEpoch() public {
        bytes32[3] memory grantees = [A, B, DOCTOR];
        for (uint256 i = 0; i < 3; ++i) {
            IConsentRegistry.Grant memory consent = grantOf(ALICE, grantees[i]);
            vm.prank(alice);
            consents.grant(consent);
        }
        vm.expectEmit(address(consents));
        emit IConsentRegistry.AllConsentsRevoked(ALICE, 1);
        vm.prank(alice);
        consents.revokeAll(ALICE);
        for (uint256 i = 0; i < 3; ++i) {
            assertFalse(mayRead(ALICE, grantees[i]), "void");
        }
        assertTrue(
            consents.denial(ALICE, B, GENERAL, READ, TREAT, 1) == IConsentRegistry.Denial.EpochEnded, "epoch ended"
        );
        vm.warp(NOW + 1);
        IConsentRegistry.Grant memory again = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(again);
        assertTrue(mayRead(ALICE, B), "granted in the new epoch");
        assertFalse(mayRead(ALICE, A), "and nothing else");
    }

    function test_malformedRevocationsAreRefused() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 0));
        consents.revoke(ALICE, B, one(GENERAL), 0);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 128));
        consents.revoke(ALICE, B, one(GENERAL), 128);
        for (uint256 i = 0; i < 2; ++i) {
            uint8 actions = i == 0 ? 0 : 128;
            vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, actions));
            consents.revokeLabel(ALICE, B, GENERAL, actions);
        }
        vm.expectRevert(IConsentRegistry.InvalidLabels.selector);
        consents.revoke(ALICE, B, new bytes32[](0), CAN_READ);
        consents.revoke(ALICE, B, new bytes32[](64), CAN_READ);
        vm.expectRevert(IConsentRegistry.InvalidLabels.selector);
        consents.revoke(ALICE, B, new bytes32[](65), CAN_READ);
        vm.stopPrank();
    }
}
