// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IRetirable} from "../../contracts/interfaces/IRetirable.sol";
import {Consortium} from "./support/Consortium.sol";
import {TypedData} from "./support/TypedData.sol";

/// @notice Paused or retired, the consent registry refuses everything that gives rights and nothing that takes them away.
contract PausingTest is Consortium {
    function test_pausingStopsGrantsAndNothingThatTakesRightsAway() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        prepares();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        consents.pauseGrants();
        vm.prank(admin);
        consents.pauseGrants();
        assertTrue(consents.grantsPaused(), "paused");
        assertTrue(mayRead(ALICE, B), "what was granted stands");
        refusesAllGiving(abi.encodeWithSelector(IConsentRegistry.GrantsArePaused.selector));
        takesEverythingAway();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        consents.unpauseGrants();
        vm.prank(admin);
        consents.unpauseGrants();
        consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        assertTrue(mayRead(ALICE, B), "open again");
    }

    function test_aRetiredRegistryGivesNothingAndTakesEverythingAway() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        prepares();
        vm.prank(admin);
        IRetirable(address(consents)).retire(address(anchors));
        assertEq(IRetirable(address(consents)).successor(), address(anchors), "pointer");
        refusesAllGiving(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, address(anchors)));
        takesEverythingAway();
    }

    function refusesAllGiving(bytes memory reason) private {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes[] memory calls = new bytes[](13);
        calls[0] = abi.encodeCall(consents.grant, (consent));
        calls[1] = abi.encodeCall(consents.grantSigned, (consent, signed(consent, ALICE_KEY)));
        calls[2] = abi.encodeCall(consents.grantBatch, (new IConsentRegistry.Grant[](0), new bytes[](0)));
        calls[3] = abi.encodeCall(consents.grantCompact, (compact(consent, ALICE_KEY)));
        calls[4] = abi.encodeCall(consents.grantCompactBatch, (new IConsentRegistry.CompactGrant[](0)));
        calls[5] = abi.encodeCall(
            consents.admit, (A, one("x"), one(0), IConsentRegistry.CareTerms(1, 1, 1, NOW, OPEN_END, 0))
        );
        calls[6] = abi.encodeCall(consents.delegate, (delegationOf()));
        calls[7] = abi.encodeCall(
            consents.delegateSigned, (delegationOf(), signature(TypedData.hash(delegationOf()), ALICE_KEY))
        );
        calls[8] = abi.encodeCall(consents.grantAsDelegate, (DOCTOR, consent));
        calls[9] = abi.encodeCall(
            consents.grantAsDelegateSigned, (DOCTOR, consent, signature(TypedData.hash(DOCTOR, consent), DOCTOR_KEY))
        );
        calls[10] = abi.encodeCall(consents.requestAccess, (requestOf("asked while closed")));
        calls[11] = abi.encodeCall(consents.setEmergencyVeto, (ALICE, false));
        uint64 nonce = consents.revocationNonce(ALICE);
        bytes memory by = signature(TypedData.emergencyVeto(ALICE, false, nonce, OPEN_END), ALICE_KEY);
        calls[12] = abi.encodeCall(consents.setEmergencyVetoSigned, (ALICE, false, nonce, OPEN_END, by));
        for (uint256 i = 0; i < calls.length; ++i) {
            // Who would otherwise be heard.
            vm.prank(i == 5 ? a : i == 8 || i == 10 ? doctor : alice);
            (bool done, bytes memory actual) = address(consents).call(calls[i]);
            assertFalse(done, "refused");
            assertEq(keccak256(actual), keccak256(reason), "reason");
        }
        vm.prank(b);
        vm.expectRevert(reason);
        consents.breakGlass(ALICE, B, "reason");
    }

    /// @dev What must stand before so that there is something to take away: a delegation and three requests.
    function prepares() private {
        IConsentRegistry.Delegation memory delegation = delegationOf();
        vm.prank(alice);
        consents.delegate(delegation);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(doctor);
            consents.requestAccess(requestOf(bytes32(i)));
        }
    }

    function takesEverythingAway() private {
        vm.prank(doctor);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_READ);
        assertFalse(mayRead(ALICE, B), "revoked");
        vm.startPrank(alice);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        consents.revokeLabel(ALICE, B, GENERAL, CAN_READ);
        consents.revokeAll(ALICE);
        consents.setEmergencyVeto(ALICE, true);
        consents.revokeDelegation(ALICE, DOCTOR, one(GENERAL));
        consents.refuseAccess(keccak256(abi.encode(requestOf(bytes32(uint256(0))))));
        vm.stopPrank();
        bytes32 request = keccak256(abi.encode(requestOf(bytes32(uint256(1)))));
        consents.refuseAccessSigned(
            request, OPEN_END, signature(TypedData.refuseAccess(ALICE, request, OPEN_END), ALICE_KEY)
        );
        vm.prank(doctor);
        consents.withdrawRequest(keccak256(abi.encode(requestOf(bytes32(uint256(2))))));

        IConsentRegistry.Revocation[] memory revocations = new IConsentRegistry.Revocation[](1);
        bytes[] memory by = new bytes[](1);
        revocations[0] = revocationOf(ALICE, B);
        by[0] = signed(revocations[0], ALICE_KEY);
        consents.revokeSigned(revocations[0], by[0]);
        revocations[0] = revocationOf(ALICE, B);
        by[0] = signed(revocations[0], ALICE_KEY);
        uint64 nonce = revocations[0].nonce;
        consents.revokeBatch(revocations, by);
        assertEq(consents.revocationNonce(ALICE), ++nonce, "the batch was carried out");
        bytes memory one_ = signature(TypedData.revokeAll(ALICE, nonce, OPEN_END), ALICE_KEY);
        consents.revokeAllSigned(ALICE, nonce++, OPEN_END, one_);
        one_ = signature(TypedData.emergencyVeto(ALICE, true, nonce, OPEN_END), ALICE_KEY);
        consents.setEmergencyVetoSigned(ALICE, true, nonce++, OPEN_END, one_);
        one_ = signature(TypedData.revokeDelegation(ALICE, DOCTOR, one(GENERAL), nonce, OPEN_END), ALICE_KEY);
        consents.revokeDelegationSigned(ALICE, DOCTOR, one(GENERAL), nonce, OPEN_END, one_);
    }

    function delegationOf() private view returns (IConsentRegistry.Delegation memory) {
        return IConsentRegistry.Delegation({
            patient: ALICE,
            delegate: DOCTOR,
            labels: one(GENERAL),
            actions: CAN_READ,
            purposes: TREAT,
            categories: EVERY_CATEGORY,
            from: NOW,
            to: OPEN_END,
            nonce: consents.grantNonce(ALICE),
            deadline: OPEN_END
        });
    }

    function requestOf(bytes32 reasonHash) private pure returns (IConsentRegistry.AccessRequest memory) {
        return IConsentRegistry.AccessRequest({
            patient: ALICE,
            grantee: DOCTOR,
            labels: one(GENERAL),
            actions: CAN_READ,
            purposes: TREAT,
            categories: EVERY_CATEGORY,
            from: NOW,
            to: OPEN_END,
            reasonHash: reasonHash
        });
    }
}
